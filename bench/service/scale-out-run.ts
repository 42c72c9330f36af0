import type { Load } from '../load.ts';
import { wallClock } from './clock.ts';
import type { Ground } from './command.ts';
import { type Delays, delaysOf } from './delays.ts';
import { FreshDeployment } from './fresh-deployment.ts';
import { refuseUnsteady } from './freshness-run.ts';
import { loadRows } from './load-rows.ts';
import { paced } from './paced.ts';
import { PHASES, type Phase, phaseAt } from './phases.ts';
import { watchedSend } from './watched-send.ts';

export interface JoinAndLeave {
  /** From the moment at which a change was due to be produced until its document was seen, by what went on then. */
  readonly delays: Readonly<Record<Phase, Delays>>;
  /** From the start of the second process until the partitions were shared. */
  readonly joinMs: number;
  /** From its SIGTERM until the first one owned all again. */
  readonly leaveMs: number;
  readonly rows: number;
  /** Of the process that took more, in its whole life. */
  readonly peakResidentBytes: number;
}

interface JoinAndLeaveOptions {
  readonly load: Load;
  readonly rate: number;
  readonly windowMs: number;
  /** Before the second instance comes, beside it, and after it has gone. */
  readonly seconds: number;
}

const PATIENCE_MS = 120_000;

/** A second instance joins the group of the first under a steady load, and leaves it again as an operator would have it. */
export async function measureJoinAndLeave(
  { places }: Ground,
  { load, rate, seconds, windowMs }: JoinAndLeaveOptions,
): Promise<JoinAndLeave> {
  const deployment = await FreshDeployment.open(places, load.summary);
  const probe = deployment.probe();
  let isOver = false;
  try {
    const first = await deployment.spawn({ windowMs });
    await deployment.assigned(first);
    const rows = loadRows(load);
    const startMs = performance.now();
    const send = watchedSend({ topic: deployment.topic, rows, probe, rate, startMs });
    const writing = paced({ rate, count: rows.length, isOver: () => isOver, send });
    const joinAndLeave = async () => {
      await wallClock.pause(seconds * 1000);
      const joinMs = performance.now();
      const second = await deployment.spawn({ windowMs });
      await deployment.shared([first, second]);
      const sharedMs = performance.now();
      await wallClock.pause(seconds * 1000);
      const leaveMs = performance.now();
      const { peakResidentBytes } = second;
      await deployment.stop(second);
      await deployment.assigned(first);
      const aloneMs = performance.now();
      await wallClock.pause(seconds * 1000);
      return { moments: { joinMs, sharedMs, leaveMs, aloneMs, windowMs }, peakResidentBytes };
    };
    const ended = writing.then(() => {
      throw new Error('the load ended before the second instance had left');
    });
    ended.catch(() => undefined); // nobody may be waiting for it
    const { moments, peakResidentBytes } = await Promise.race([ended, joinAndLeave()]);
    isOver = true;
    const { lateMs, sent } = await writing;
    await probe.finish(PATIENCE_MS);
    const most = Math.max(first.peakResidentBytes, peakResidentBytes);
    await deployment.check({ to: sent });
    await deployment.stop(first);
    refuseUnsteady(lateMs);
    const seen = Map.groupBy(probe.sightings, ({ sinceMs }) => phaseAt(sinceMs, moments));
    const delays = Object.fromEntries(
      PHASES.map((phase) => [phase, delaysOf((seen.get(phase) ?? []).map(({ delayMs }) => delayMs))]),
    ) as Record<Phase, Delays>;
    return {
      delays,
      joinMs: moments.sharedMs - moments.joinMs,
      leaveMs: moments.aloneMs - moments.leaveMs,
      rows: sent,
      peakResidentBytes: most,
    };
  } finally {
    isOver = true;
    await probe.finish(0).catch(() => undefined);
    await deployment.close();
  }
}
