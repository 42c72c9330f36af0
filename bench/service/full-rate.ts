import { eventually } from '../../test/support/eventually.ts';
import type { SluiceProcess } from '../../test/support/sluice-process.ts';
import { makeLoad } from '../load.ts';
import { type Cost, Meter } from '../meter.ts';
import type { Ground } from './command.ts';
import { FreshDeployment } from './fresh-deployment.ts';
import { loadRows, uniqueRows } from './load-rows.ts';

export interface FullRate {
  readonly rowsPerSecond: number;
  /** Rows of that time: what `cost` was for. */
  readonly rows: number;
  /** Own CPU is that of all instances. */
  readonly cost: Cost;
  /** Partitions of each instance. */
  readonly shares: readonly number[];
  /** Of the instance that took most, in its whole life. */
  readonly peakResidentBytes: number;
}

interface FullRateOptions {
  readonly rows: number;
  /** Instances of one group, each of which owns a partition at least. 1 by default. */
  readonly instances?: number;
}

/** Rows a second of the service on a topic that is full, over the second half: by then its code is warm. Its final state is checked. */
export async function measureFullRate({ pids, places }: Ground, options: FullRateOptions): Promise<FullRate> {
  const { instances: count = 1, rows } = options;
  const load = makeLoad(uniqueRows('full-rate', rows, 4));
  const deployment = await FreshDeployment.open(places, load.summary);
  try {
    const instances: SluiceProcess[] = [];
    for (let at = 0; at < count; at += 1) instances.push(await deployment.spawn({ windowMs: 3000 }));
    const shares = await deployment.shared(instances);
    const [first, ...others] = instances as [SluiceProcess, ...SluiceProcess[]];
    const pidsOfOthers = Object.fromEntries(others.map(({ pid }, at) => [`instance ${at + 2}`, pid]));
    const meter = new Meter({ ...pids, ...pidsOfOthers, producer: process.pid });
    await deployment.topic.send(loadRows(load));
    const half = await indexed(instances, rows / 2);
    meter.start(first.pid);
    if (half === rows) throw new Error(`${rows} rows are too few to tell a rate: they came in one window`);
    await indexed(instances, rows);
    meter.stop();
    await deployment.check({ to: rows });
    const peakResidentBytes = Math.max(...instances.map((one) => one.peakResidentBytes));
    for (const instance of instances) await deployment.stop(instance);
    const cost = ofAll(meter.result, Object.keys(pidsOfOthers));
    return { rowsPerSecond: (rows - half) / (cost.ms / 1000), rows: rows - half, cost, shares, peakResidentBytes };
  } finally {
    await deployment.close();
  }
}

/** Waits until so many documents are indexed by all of them together; resolves with how many are. */
function indexed(instances: readonly SluiceProcess[], rows: number): Promise<number> {
  return eventually(
    `${rows} rows are indexed`,
    async () => {
      const counts = await Promise.all(instances.map((one) => one.metric('sluice_indexed_total')));
      const sum = counts.reduce((total, one) => total + one, 0);
      return sum >= rows && sum;
    },
    { withinMs: 600_000, everyMs: 20 },
  );
}

/** The cost with the CPU of further instances counted as own. */
function ofAll(cost: Cost, names: readonly string[]): Cost {
  const isOther = ([name]: readonly [string, number]): boolean => names.includes(name);
  const servers = Object.entries(cost.serverCpuUs);
  const others = servers.filter(isOther).reduce((sum, [, us]) => sum + us, 0);
  const serverCpuUs = Object.fromEntries(servers.filter((one) => !isOther(one)));
  return { ...cost, ownCpuUs: cost.ownCpuUs + others, serverCpuUs };
}
