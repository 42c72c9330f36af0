import { collectDefaultMetrics, Registry } from 'prom-client';
import { asyncScheduler, interval, type SchedulerLike } from 'rxjs';
import type { SourceEvent } from '../sources/source-event.ts';
import { ConditionLog, type Log } from './condition-log.ts';
import { Counts } from './counts.ts';
import { Dependencies, type DependencyChange, type DependencyName } from './dependencies.ts';
import { lineOfDependency, lineOfEvent, lineOfSource } from './event-lines.ts';
import type { Report } from './events.ts';
import { type GaugeSources, lagOf, registerGauges } from './gauges.ts';
import type { PartitionLog } from './position.ts';
import { Summary } from './summary.ts';

export interface TelemetryOptions {
  readonly log: Log;
  readonly gauges: GaugeSources;
  /** The servers in use; others have no series. Default: all four. */
  readonly dependencies?: readonly DependencyName[];
  readonly build?: { readonly version: string; readonly revision: string };
  /** Default: one of its own. */
  readonly registry?: Registry;
  /** Metrics of the process (CPU, memory, event loop) too. Default true. */
  readonly processMetrics?: boolean;
  /** Tables and topics that have series of their own; further ones are counted as `other`. Default 200. */
  readonly maxTables?: number;
  /** Between two summary lines, milliseconds. Default 30,000. */
  readonly summaryMs?: number;
  readonly scheduler?: SchedulerLike;
}

export interface Telemetry {
  /** Counts an event of the pipeline and logs it if somebody should hear of it. Never throws. */
  readonly report: Report;
  /** The same for what the source tells about itself. */
  readonly reportSource: (event: SourceEvent) => void;
  readonly registry: Registry;
  readonly dependencies: Dependencies;
  /**
   * Records of this partition that wait in the log unread. The last one is not counted: it may be the marker of a
   * transaction, which no consumer is shown and kafkajs skips in silence.
   */
  unread(log: PartitionLog): number;
  /** Ends the summary lines. */
  stop(): void;
}

/**
 * Every counter, gauge and log line of the pipeline. Called once a batch at most: a call with a label costs some 250 ns,
 * which no row should pay.
 */
export function telemetry(options: TelemetryOptions): Telemetry {
  const { gauges, log, processMetrics = true, registry = new Registry(), scheduler = asyncScheduler } = options;
  const { build = { version: '0', revision: 'unknown' }, maxTables = 200, summaryMs = 30_000 } = options;
  const now = (): number => scheduler.now();
  const dependencies = new Dependencies(options.dependencies ?? ['kafka', 'buffer', 'store', 'index'], now);
  const counts = new Counts(registry, maxTables, now);
  const conditions = new ConditionLog(log, now);
  const summary = new Summary(gauges, now);
  const lag = (): number => gauges.logs().reduce((sum, one) => sum + lagOf(one, counts.memory), 0);
  for (const { name } of dependencies.all()) counts.counters.dependencyErrors.inc({ name }, 0);
  registerGauges({ registry, sources: gauges, memory: counts.memory, dependencies, build, scheduler });
  if (processMetrics) collectDefaultMetrics({ register: registry });

  const tellChange = (change: DependencyChange | null): void => {
    if (change === null) return;
    if (!change.isUp) counts.counters.dependencyErrors.inc({ name: change.name });
    conditions.tell(lineOfDependency(change));
  };
  const beat = interval(summaryMs, scheduler).subscribe(() => {
    conditions.flush();
    log.info(summary.next(lag()), 'summary');
  });
  return {
    registry,
    dependencies,
    report: (event) => {
      counts.count(event);
      summary.count(event);
      tellChange(dependencies.hear(event));
      const line = lineOfEvent(event);
      if (line !== null) conditions.tell(line);
    },
    reportSource: (event) => {
      counts.countSource(event);
      if (event.type === 'crashed') tellChange(dependencies.set('kafka', false, 'E2001', event.detail));
      if (event.type === 'assigned' || event.type === 'committed') tellChange(dependencies.set('kafka', true));
      const line = lineOfSource(event);
      if (line !== null) conditions.tell(line);
    },
    unread: (one) => Math.max(0, lagOf(one, counts.memory) - (one.read - one.settled) - 1),
    stop: () => beat.unsubscribe(),
  };
}
