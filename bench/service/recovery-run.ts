import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { eventually } from '../../test/support/eventually.ts';
import type { SluiceProcess } from '../../test/support/sluice-process.ts';
import type { Load } from '../load.ts';
import { type Cost, Meter } from '../meter.ts';
import type { Scenario } from '../scenario.ts';
import type { Ground } from './command.ts';
import { type Delays, delaysOf } from './delays.ts';
import { FreshDeployment } from './fresh-deployment.ts';
import { refuseUnsteady } from './freshness-run.ts';
import type { LoadRow } from './load-rows.ts';
import { paced } from './paced.ts';
import { park, selectParked } from './parked-load.ts';
import { watchedSend } from './watched-send.ts';

export interface Recovery {
  /** Parked keys a second: of the service from its assignment until nothing is parked any more, and of what bounds it. */
  readonly keysPerSecond: number;
  readonly selectPerSecond: number;
  readonly bulkPerSecond: number;
  /** The service over the slower of the two. */
  readonly ratio: number;
  /** Of the live stream meanwhile. */
  readonly live: Delays;
  readonly liveRows: number;
  readonly cost: Cost;
  /** CPU of Elasticsearch for a document of the bare client, microseconds: what it takes when nothing else runs. */
  readonly bulkCpuUs: number;
  /** Of the whole life of the process. */
  readonly peakResidentBytes: number;
}

interface RecoveryOptions {
  /** Rows that get parked, then those of the live stream. */
  readonly load: Load;
  readonly rows: readonly LoadRow[];
  readonly keys: number;
  readonly liveRate: number;
  readonly windowMs: number;
  /** The bare bulk client, and the load of the rows that get parked. */
  readonly bulk: { readonly client: Scenario; readonly load: Load };
}

/** How long the live stream goes on being watched after recovery. */
const PATIENCE_MS = 60_000;

/** Lets the service find a log that it has read and a store that owes it all, then measures the bounds on the same rows. */
export async function measureRecovery(ground: Ground, options: RecoveryOptions): Promise<Recovery> {
  const { bulk, keys, load, rows } = options;
  const { pids, places } = ground;
  const deployment = await FreshDeployment.open(places, load.summary);
  try {
    const parked = rows.slice(0, keys);
    await deployment.topic.send(parked);
    await deployment.topic.skip(deployment.groupId);
    await park(deployment, parked);
    await deployment.makeIndex(); // it was away, not missing
    const selectMs = await selectParked(deployment, parked);
    const recovered = await recover(deployment, pids, options);
    const bulkMeter = new Meter(pids);
    await bulk.client.run(bulk.load.summary, bulkMeter);
    const rateOf = (ms: number): number => keys / (ms / 1000);
    const rates = {
      keysPerSecond: rateOf(recovered.cost.ms),
      selectPerSecond: rateOf(selectMs),
      bulkPerSecond: rateOf(bulkMeter.result.ms),
    };
    const ratio = rates.keysPerSecond / Math.min(rates.selectPerSecond, rates.bulkPerSecond);
    const bulkCpuUs = (bulkMeter.result.serverCpuUs.elasticsearch ?? 0) / keys;
    return { ...rates, ratio, bulkCpuUs, ...recovered };
  } finally {
    await deployment.close();
  }
}

type Recovered = Pick<Recovery, 'live' | 'liveRows' | 'cost' | 'peakResidentBytes'>;

async function recover(
  deployment: FreshDeployment,
  pids: Ground['pids'],
  { keys, liveRate, rows, windowMs }: RecoveryOptions,
): Promise<Recovered> {
  const sluice = await deployment.spawn({ windowMs });
  await deployment.assigned(sluice);
  const meter = new Meter({ ...pids, producer: process.pid });
  meter.start(sluice.pid);
  const probe = deployment.probe();
  const startMs = performance.now();
  const live = rows.slice(keys);
  const send = watchedSend({ topic: deployment.topic, rows: live, probe, rate: liveRate, startMs });
  let isOver = false;
  const writing = paced({ rate: liveRate, count: live.length, isOver: () => isOver, send });
  const emptied = nothingParked(deployment, sluice, keys).finally(() => {
    meter.stop();
    isOver = true;
  });
  const [{ lateMs, sent }] = await Promise.all([writing, emptied]);
  if (sent === live.length) throw new Error('recovery took so long that the live stream ended before it');
  await probe.finish(PATIENCE_MS);
  const { peakResidentBytes } = sluice;
  await deployment.check({ from: keys, to: keys + sent });
  await deployment.stop(sluice);
  refuseUnsteady(lateMs);
  const delays = delaysOf(probe.sightings.map(({ delayMs }) => delayMs));
  return { live: delays, liveRows: sent, cost: meter.result, peakResidentBytes };
}

/** Resolves when the store owes nothing. It is not asked before the service says that it has taken everything up. */
async function nothingParked({ storeUrl }: FreshDeployment, sluice: SluiceProcess, keys: number): Promise<void> {
  const withinMs = 3_600_000;
  const taken = async (): Promise<boolean> => (await sluice.metric('sluice_recovered_total')) >= keys;
  await eventually('every parked key is taken up', taken, { withinMs, everyMs: 500 });
  const connection = await createConnection(storeUrl);
  try {
    const isEmpty = async (): Promise<boolean> => {
      const [found] = await connection.query<RowDataPacket[]>('SELECT 1 FROM parked_keys LIMIT 1');
      return found.length === 0;
    };
    await eventually('nothing is parked', isEmpty, { withinMs, everyMs: 20 });
  } finally {
    await connection.end();
  }
}
