import type { Load } from '../load.ts';
import { type Cost, Meter } from '../meter.ts';
import type { Ground } from './command.ts';
import { type Delays, delaysOf } from './delays.ts';
import { FreshDeployment } from './fresh-deployment.ts';
import { loadRows } from './load-rows.ts';
import { paced } from './paced.ts';
import { watchedSend } from './watched-send.ts';

export interface Freshness {
  /** From the moment at which a change was due to be produced until its document was seen. */
  readonly delays: Delays;
  /** Rows that were produced, those of the warm-up included: what `cost` was for. */
  readonly rows: number;
  readonly cost: Cost;
  /** Of the whole life of the process. */
  readonly peakResidentBytes: number;
}

interface FreshnessOptions {
  readonly load: Load;
  readonly rate: number;
  readonly windowMs: number;
  readonly warmUpSeconds: number;
}

/** How long after the last row everything has to be visible. */
const PATIENCE_MS = 120_000;

/** Runs the service under a steady load from an empty state. Rejects when the load was not steady, or the end is wrong. */
export async function measureFreshness(
  { pids, places }: Ground,
  { load, rate, warmUpSeconds, windowMs }: FreshnessOptions,
): Promise<Freshness> {
  const deployment = await FreshDeployment.open(places, load.summary);
  try {
    const sluice = await deployment.spawn({ windowMs });
    await deployment.assigned(sluice);
    const rows = loadRows(load);
    const probe = deployment.probe();
    const meter = new Meter({ ...pids, producer: process.pid });
    meter.start(sluice.pid);
    const startMs = performance.now();
    const send = watchedSend({ topic: deployment.topic, rows, probe, rate, startMs });
    const { lateMs } = await paced({ rate, count: rows.length, send });
    await probe.finish(PATIENCE_MS);
    meter.stop();
    const { peakResidentBytes } = sluice;
    await deployment.check({ to: rows.length });
    await deployment.stop(sluice);
    refuseUnsteady(lateMs);
    const counted = probe.sightings.filter(({ sinceMs }) => sinceMs >= startMs + warmUpSeconds * 1000);
    const delays = delaysOf(counted.map(({ delayMs }) => delayMs));
    return { delays, rows: rows.length, cost: meter.result, peakResidentBytes };
  } finally {
    await deployment.close();
  }
}

/** The most that a row may be produced after it is due: what is measured would be our own producer. */
const MOST_LATE_MS = 1000;

export function refuseUnsteady(lateMs: number): void {
  if (lateMs > MOST_LATE_MS)
    throw new Error(`a row was produced ${Math.round(lateMs)} ms too late: the load was not steady`);
}
