import { asyncScheduler, interval, type SchedulerLike } from 'rxjs';
import type { SourceEvent } from '../sources/source-event.ts';
import type { Dependencies, DependencyName } from './dependencies.ts';
import type { PipelineEvent, Report } from './events.ts';
import { ageSeconds } from './gauges.ts';
import type { InFlight, PartitionLog } from './position.ts';

export interface HealthOptions {
  readonly dependencies: Dependencies;
  /** Servers that must have answered once before this instance is ready. The buffer is none: nothing depends on it. */
  readonly required?: readonly DependencyName[];
  readonly inFlight: InFlight;
  /** The positions of the partitions owned now. */
  logs(): readonly PartitionLog[];
  /** Records of a partition that wait in the log unread; `Telemetry.unread`. */
  unread(log: PartitionLog): number;
  /** Without progress for so long, while there is work and no required server is known to be down, the process is not live. Default 120,000 ms. */
  readonly livenessMs?: number;
  /**
   * The same for the position of a single partition, whatever else gets done. Must be longer than a batch may be under way
   * when nothing is wrong with the process, or restarts repeat for ever what they interrupt. Default 1,200,000 ms.
   */
  readonly stuckMs?: number;
  readonly scheduler?: SchedulerLike;
}

/** An answer for a probe. Holds no host names. */
export interface Verdict {
  readonly isOk: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Health {
  /** Takes note of progress. */
  readonly report: Report;
  readonly reportSource: (event: SourceEvent) => void;
  /** The share of the log is known, be it empty. For sources that report no events of their own. */
  assigned(): void;
  /** From now on this instance is not ready: it was asked to stop. */
  stopping(): void;
  live(): Verdict;
  ready(): Verdict;
  /** `live`, with what is known of servers and partitions. */
  details(): Verdict;
  /** Ends the watch over progress. */
  stop(): void;
}

/** Events that say only that something does not work. */
const NO_PROGRESS: ReadonlySet<PipelineEvent['type']> = new Set(['dependency', 'notice', 'journal-gap']);

/**
 * Judges by progress, not by servers. Live is a process that gets something done (parking and retrying count) and whose
 * positions move; one that has nothing to do; and one that waits for a server that is down, which a restart would not
 * bring back. Ready is one that has its share of the log and has reached every server it needs; it stays ready when one
 * goes away later, until it is stopped.
 */
export function health(options: HealthOptions): Health {
  const { dependencies, inFlight, livenessMs = 120_000, logs, scheduler = asyncScheduler, unread } = options;
  const { required = ['kafka', 'store', 'index'], stuckMs = 1_200_000 } = options;
  const startedMs = scheduler.now();
  const stands = new Map<string, Stand>();
  let progressMs = startedMs;
  let isAssigned = false;
  let isStopping = false;

  const hasWork = (log: PartitionLog): boolean => log.oldestUnsettled !== null || unread(log) > 0;
  // Not of the buffer: nothing waits for that.
  const isWaiting = (): boolean =>
    dependencies.all().some(({ isUp, name }) => isUp === false && required.includes(name));
  const progressed = (): void => {
    progressMs = scheduler.now();
  };
  /** By name, not by log: an assignment that leaves the position where it was is no progress. */
  const lookAtPositions = (): void => {
    const owned = logs();
    const names = new Set(owned.map(nameOf));
    for (const name of stands.keys()) if (!names.has(name)) stands.delete(name);
    for (const log of owned) {
      const isStill = stands.get(nameOf(log))?.settled === log.settled && hasWork(log) && !isWaiting();
      if (!isStill) stands.set(nameOf(log), { settled: log.settled, sinceMs: scheduler.now() });
    }
  };
  const stillMs = (log: PartitionLog): number => {
    const stand = stands.get(nameOf(log));
    return stand?.settled === log.settled && hasWork(log) ? scheduler.now() - stand.sinceMs : 0;
  };
  // Work that comes after a long idle time, or after a server was down, has the whole span from then on.
  const watch = interval(livenessMs / 12, scheduler).subscribe(() => {
    if (!logs().some(hasWork) || isWaiting()) progressed();
    lookAtPositions();
  });

  const live = (): Verdict => {
    const owned = logs();
    const stalledMs = owned.some(hasWork) ? scheduler.now() - progressMs : 0;
    const stuck = owned.map(stillMs).filter((ms) => ms >= stuckMs);
    if (stalledMs < livenessMs && stuck.length === 0) return { isOk: true, body: { status: 'live' } };
    const longestMs = Math.max(stalledMs, ...stuck);
    return {
      isOk: false,
      body: { status: 'stalled', stalledSeconds: longestMs / 1000, stuckPartitions: stuck.length },
    };
  };
  const ready = (): Verdict => {
    const failing: object[] = [];
    if (isStopping) failing.push({ check: 'not-stopping' });
    if (!isAssigned) failing.push({ check: 'assignment' });
    for (const { code, hasAnswered, name } of dependencies.all()) {
      if (required.includes(name) && !hasAnswered) failing.push({ check: name, ...(code === '' ? {} : { code }) });
    }
    return { isOk: failing.length === 0, body: { status: failing.length === 0 ? 'ready' : 'not ready', failing } };
  };
  const details = (): Verdict => {
    const nowMs = scheduler.now();
    const verdict = live();
    const owned = logs();
    return {
      isOk: verdict.isOk,
      body: {
        ...verdict.body,
        ready: ready().isOk,
        uptimeSeconds: ageSeconds(startedMs, nowMs),
        dependencies: Object.fromEntries(dependencies.all().map((one) => [one.name, stateOf(one)])),
        partitions: {
          assigned: owned.length,
          unsettledRecords: owned.reduce((sum, log) => sum + log.read - log.settled, 0),
          unreadRecords: owned.reduce((sum, log) => sum + unread(log), 0),
          oldestUnsettledSeconds: Math.max(0, ...owned.map((log) => ageSeconds(log.oldestUnsettledMs, nowMs))),
        },
        inFlight: { bytes: inFlight.bytes, changes: inFlight.changes, limit: inFlight.limit },
      },
    };
  };

  return {
    live,
    ready,
    details,
    report: (event) => {
      if (!NO_PROGRESS.has(event.type)) progressed();
    },
    reportSource: (event) => {
      if (event.type === 'assigned') isAssigned = true;
      if (['assigned', 'committed', 'fetched', 'rebalanced'].includes(event.type)) progressed();
    },
    assigned: () => {
      isAssigned = true;
    },
    stopping: () => {
      isStopping = true;
    },
    stop: () => watch.unsubscribe(),
  };
}

/** Where a position stands, and since when, as far as it was looked at. */
interface Stand {
  readonly settled: number;
  readonly sinceMs: number;
}

function nameOf({ partition, topic }: PartitionLog): string {
  return `${topic}/${partition}`;
}

function stateOf({ code, isUp, sinceMs }: ReturnType<Dependencies['all']>[number]): object {
  const status = isUp === null ? 'unknown' : isUp ? 'up' : 'down';
  return { status, since: new Date(sinceMs).toISOString(), ...(code === '' ? {} : { code }) };
}
