import { versionOf } from '../../src/pipeline/change.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { SluiceProcess } from '../../test/support/sluice-process.ts';
import type { Load } from '../load.ts';
import type { Ground } from './command.ts';
import { FreshDeployment, type ServiceOptions } from './fresh-deployment.ts';
import { type LoadRow, loadRows } from './load-rows.ts';
import { dueMs, paced } from './paced.ts';
import type { VisibilityProbe } from './visibility-probe.ts';

export interface Start {
  /** From the moment before the process was started until the document of a change that was there already was seen. */
  readonly ms: number;
  readonly peakResidentBytes: number;
}

export interface TakeOver {
  /** From the SIGKILL until the first change that was made after it was seen. */
  readonly ms: number;
  /** The higher one of the instance that was killed and of the one that took over. */
  readonly peakResidentBytes: number;
}

/** How long a change may take to be seen before it counts as lost. */
const PATIENCE_MS = 180_000;

/** Starts the service twice: on servers that have never seen it (no index, no tables in the store), and as it was left. */
export async function measureStarts(
  { places }: Ground,
  { load, windowMs }: { readonly load: Load; readonly windowMs: number },
): Promise<{ readonly first: Start; readonly again: Start }> {
  const deployment = await FreshDeployment.open(places, load.summary);
  try {
    const [one, two] = loadRows(load) as [LoadRow, LoadRow];
    const first = await startOn(deployment, one, windowMs);
    const again = await startOn(deployment, two, windowMs);
    await deployment.check({ to: 2 });
    return { first, again };
  } finally {
    await deployment.close();
  }
}

async function startOn(deployment: FreshDeployment, row: LoadRow, windowMs: number): Promise<Start> {
  await deployment.topic.send([row]);
  const probe = deployment.probe();
  probe.watch(String(row.key), versionOf(0, row.offset), performance.now());
  const sluice = await deployment.spawn({ windowMs });
  await probe.finish(PATIENCE_MS);
  const { peakResidentBytes } = sluice;
  await deployment.stop(sluice);
  return { ms: probe.sightings[0]?.delayMs as number, peakResidentBytes };
}

interface TakeOverOptions extends Required<ServiceOptions> {
  /** Of one partition, so that one instance owns all and the other waits. */
  readonly load: Load;
  /** Rows a second meanwhile. */
  readonly rate: number;
}

/** Kills the instance that owns the partition while another one waits. */
export async function measureTakeOver(
  { places }: Ground,
  { load, rate, sessionTimeoutMs, windowMs }: TakeOverOptions,
): Promise<TakeOver> {
  const deployment = await FreshDeployment.open(places, load.summary);
  const probe = deployment.probe();
  let isOver = false;
  try {
    const instances = [
      await deployment.spawn({ sessionTimeoutMs, windowMs }),
      await deployment.spawn({ sessionTimeoutMs, windowMs }),
    ];
    const rows = loadRows(load);
    const startMs = performance.now();
    const send = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += 1) {
        const { key, offset } = rows[at] as LoadRow;
        probe.watch(String(key), versionOf(0, offset), startMs + dueMs(at, rate));
      }
      await deployment.topic.send(rows.slice(from, to));
    };
    const writing = paced({ rate, count: rows.length, isOver: () => isOver, send });
    const ended = writing.then(() => {
      throw new Error('the load ended before the partition was taken over');
    });
    ended.catch(() => undefined); // nobody may be waiting for it
    const { ms, peakResidentBytes, waiting } = await Promise.race([ended, takeOver(deployment, instances, probe)]);
    isOver = true;
    const { sent } = await writing;
    await probe.finish(PATIENCE_MS);
    const most = Math.max(peakResidentBytes, waiting.peakResidentBytes);
    await deployment.check({ to: sent });
    await deployment.stop(waiting);
    return { ms, peakResidentBytes: most };
  } finally {
    isOver = true;
    await probe.finish(0).catch(() => undefined);
    await deployment.close();
  }
}

async function takeOver(
  deployment: FreshDeployment,
  instances: readonly SluiceProcess[],
  probe: VisibilityProbe,
): Promise<TakeOver & { readonly waiting: SluiceProcess }> {
  const { owner, waiting } = await settledIn(deployment, instances);
  await firstSince(probe, performance.now());
  const { peakResidentBytes } = owner;
  const killedMs = performance.now();
  await owner.kill();
  return { ms: await firstSince(probe, killedMs), peakResidentBytes, waiting };
}

/** Waits until both instances are members of the group and one of them owns the partition. */
function settledIn(
  { groupId, topic }: FreshDeployment,
  instances: readonly SluiceProcess[],
): Promise<{ owner: SluiceProcess; waiting: SluiceProcess }> {
  return eventually(
    'one instance owns the partition and the other waits',
    async () => {
      if ((await topic.members(groupId)) !== instances.length) return false;
      const shares = await Promise.all(instances.map((one) => one.metric('sluice_assigned_partitions')));
      const owner = instances[shares.indexOf(1)];
      const waiting = instances[shares.indexOf(0)];
      return owner !== undefined && waiting !== undefined && { owner, waiting };
    },
    { withinMs: 120_000 },
  );
}

/** Waits until a change made after this moment is seen; resolves with the time from the moment until then. */
async function firstSince(probe: VisibilityProbe, momentMs: number): Promise<number> {
  const isLater = ({ sinceMs }: { readonly sinceMs: number }): boolean => sinceMs >= momentMs;
  const first = await eventually('a change is visible', () => probe.sightings.find(isLater), {
    withinMs: PATIENCE_MS,
    everyMs: 20,
  });
  return first.sinceMs + first.delayMs - momentMs;
}
