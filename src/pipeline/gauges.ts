import { Gauge, type Registry } from 'prom-client';
import type { SchedulerLike } from 'rxjs';
import type { Dependencies } from './dependencies.ts';
import type { InFlight, PartitionLog } from './position.ts';
import { GAUGES, type Series } from './series.ts';

/** What the gauges are read from, at each scrape. */
export interface GaugeSources {
  readonly inFlight: InFlight;
  /** The positions of the partitions owned now. */
  logs(): readonly PartitionLog[];
  /** Keys in the buffer. May fail or take long: the gauge then keeps its last value. */
  bufferSize(): Promise<number>;
  /** Keys parked in the store; the same. */
  parkedCount(): Promise<number>;
}

/** What telemetry itself remembers for the gauges. */
export interface GaugeMemory {
  /** End of the log by `topic/partition`, as it was heard of last. */
  readonly ends: ReadonlyMap<string, number>;
  /** Until when an index is left alone, by table, milliseconds since 1970. */
  readonly heldUntilMs: ReadonlyMap<string, number>;
  isPaused: boolean;
  windowKeys: number;
  windowBytes: number;
  lastSettledMs: number;
}

/** A scrape waits at most so long for a server. */
const ANSWER_MS = 500;

/** Registers every gauge. Each reads its source when it is scraped. */
export function registerGauges(options: {
  registry: Registry;
  sources: GaugeSources;
  memory: GaugeMemory;
  dependencies: Dependencies;
  build: { version: string; revision: string };
  scheduler: SchedulerLike;
}): void {
  const { build, dependencies, memory, registry, scheduler, sources } = options;
  const { inFlight } = sources;
  const gauge = (series: Series, collect: (gauge: Gauge) => void | Promise<void>): void => {
    const { help, labels = [], name } = series;
    new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect() {
        return collect(this);
      },
    });
  };
  const value = (series: Series, read: () => number): void => gauge(series, (one) => one.set(read()));
  const asked = (series: Series, ask: () => Promise<number>): void =>
    gauge(series, async (one) => {
      const answer = await within(ask, scheduler);
      if (answer !== null) one.set(answer);
    });
  const perLog = (series: Series, read: (log: PartitionLog) => number): void =>
    gauge(series, (one) => {
      one.reset(); // partitions that are no longer ours leave
      for (const log of sources.logs()) one.set({ topic: log.topic, partition: log.partition }, read(log));
    });

  asked(GAUGES.bufferSize, () => sources.bufferSize());
  asked(GAUGES.parkedKeys, () => sources.parkedCount());
  gauge(GAUGES.buildInfo, (one) => one.set({ ...build, node: process.version }, 1));
  value(GAUGES.inFlightBytes, () => inFlight.bytes);
  value(GAUGES.inFlightChanges, () => inFlight.changes);
  value(GAUGES.inFlightLimitBytes, () => inFlight.limit.bytes);
  value(GAUGES.inFlightLimitChanges, () => inFlight.limit.changes);
  value(GAUGES.windowKeys, () => memory.windowKeys);
  value(GAUGES.windowBytes, () => memory.windowBytes);
  value(GAUGES.assignedPartitions, () => sources.logs().length);
  value(GAUGES.sourcePaused, () => (memory.isPaused ? 1 : 0));
  value(GAUGES.lastSettled, () => memory.lastSettledMs / 1000);
  perLog(GAUGES.lag, (log) => lagOf(log, memory));
  perLog(GAUGES.unsettled, (log) => log.read - log.settled);
  perLog(GAUGES.oldestUnsettled, (log) => ageSeconds(log.oldestUnsettledMs, scheduler.now()));
  gauge(GAUGES.dependencyUp, (one) => {
    for (const { isUp, name } of dependencies.all()) one.set({ name }, isUp === true ? 1 : 0);
  });
  gauge(GAUGES.indexHeld, (one) => {
    one.reset();
    for (const labels of GAUGES.indexHeld.known) one.set(labels, 0);
    for (const [table, untilMs] of memory.heldUntilMs) one.set({ table }, untilMs > scheduler.now() ? 1 : 0);
  });
}

/** Records between the position and the end of the log; until that was heard of, the last record read counts as the end. */
export function lagOf(log: PartitionLog, { ends }: Pick<GaugeMemory, 'ends'>): number {
  return Math.max(0, (ends.get(`${log.topic}/${log.partition}`) ?? log.read) - log.settled);
}

export function ageSeconds(sinceMs: number | null, nowMs: number): number {
  return sinceMs === null ? 0 : Math.max(0, nowMs - sinceMs) / 1000;
}

/** The answer, or null when it fails or takes longer than a scrape should wait. */
function within(ask: () => Promise<number>, scheduler: SchedulerLike): Promise<number | null> {
  return new Promise((resolve) => {
    const deadline = scheduler.schedule(() => resolve(null), ANSWER_MS);
    const settle = (answer: number | null): void => {
      deadline.unsubscribe();
      resolve(answer);
    };
    ask().then(settle, () => settle(null));
  });
}
