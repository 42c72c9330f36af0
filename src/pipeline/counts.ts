import { Counter, Histogram, type Registry } from 'prom-client';
import type { SourceEvent } from '../sources/source-event.ts';
import type { PipelineEvent } from './events.ts';
import type { GaugeMemory } from './gauges.ts';
import { LabelCap } from './label-cap.ts';
import { COUNTERS, HISTOGRAMS, type Series } from './series.ts';

type CounterName = keyof typeof COUNTERS;
type HistogramName = keyof typeof HISTOGRAMS;

/** The counters and histograms, and what the gauges remember. */
export class Counts {
  readonly counters: Readonly<Record<CounterName, Counter>>;
  readonly memory: GaugeMemory;
  private readonly histograms: Readonly<Record<HistogramName, Histogram>>;
  private readonly ends = new Map<string, number>();
  private readonly heldUntilMs = new Map<string, number>();
  private readonly tables: LabelCap;
  private readonly topics: LabelCap;
  private readonly reasons = new LabelCap(100);
  private readonly now: () => number;

  constructor(registry: Registry, maxTables: number, now: () => number) {
    this.now = now;
    this.tables = new LabelCap(maxTables);
    this.topics = new LabelCap(maxTables);
    const { ends, heldUntilMs } = this;
    this.memory = { ends, heldUntilMs, isPaused: false, windowKeys: 0, windowBytes: 0, lastSettledMs: 0 };
    this.counters = made(COUNTERS, ({ help, known = [], labels = [], name }) => {
      const counter = new Counter({ name, help, labelNames: [...labels], registers: [registry] });
      for (const one of known) counter.inc(one, 0);
      return counter;
    });
    this.histograms = made(
      HISTOGRAMS,
      ({ buckets = [], help, labels = [], name }) =>
        new Histogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers: [registry] }),
    );
  }

  count(event: PipelineEvent): void {
    const { counters, histograms, memory } = this;
    switch (event.type) {
      case 'parsed':
        this.countParsed(event);
        break;
      case 'notice':
        counters.notices.inc({ kind: this.reasons.of(event.kind) });
        break;
      case 'buffered':
        counters.buffered.inc(event.changes);
        histograms.bufferWrite.observe(event.ms / 1000);
        break;
      case 'journaled':
        counters.journaled.inc(event.changes);
        histograms.journalWrite.observe(event.ms / 1000);
        break;
      case 'window':
        counters.windows.inc({ cause: event.cause });
        counters.windowChanges.inc(event.changes);
        // Without the fold's own count this is a lower bound: keys left over from before are among `keys`.
        counters.coalesced.inc(event.superseded);
        memory.windowKeys = event.keys;
        memory.windowBytes = event.bytes;
        break;
      case 'bulk':
        this.countBulk(event);
        break;
      case 'settled':
        this.countSettled(event);
        break;
      default:
        this.countException(event);
    }
  }

  /** What does not happen while all is well. */
  private countException(event: PipelineEvent): void {
    const { counters } = this;
    switch (event.type) {
      case 'held':
        counters.holds.inc();
        this.heldUntilMs.set(this.tables.of(event.table?.qualified ?? 'all'), this.now() + event.forMs);
        break;
      case 'retrying':
        counters.retries.inc(event.keys);
        break;
      case 'superseded-in-flight':
        counters.superseded.inc(event.keys);
        counters.coalesced.inc(event.keys);
        break;
      case 'parked':
        counters.parked.inc(event.keys);
        break;
      case 'recovered':
        counters.recovered.inc(event.keys);
        break;
      case 'dead-lettered':
        counters.deadLettered.inc({ reason: this.reasons.of(event.reason) }, event.count);
        break;
      case 'deletes-checked':
        counters.deletesChecked.inc(event.checked);
        counters.deletesRepeated.inc(event.repeated);
        break;
      case 'journal-gap':
        counters.journalGaps.inc();
        counters.journalGapRecords.inc(event.to - event.from + 1);
        break;
    }
  }

  countSource(event: SourceEvent): void {
    const { counters, ends, memory } = this;
    switch (event.type) {
      case 'rebalanced':
        counters.rebalances.inc();
        break;
      case 'assigned':
        ends.clear();
        for (const { end, partition, topic } of event.partitions) ends.set(`${topic}/${partition}`, end);
        break;
      case 'fetched':
        ends.set(`${event.topic}/${event.partition}`, event.end);
        break;
      case 'paused':
        memory.isPaused = event.isPaused;
        break;
      case 'committed':
        counters.commits.inc();
        break;
      case 'commit-failed':
        counters.commitFailures.inc();
        break;
      case 'crashed':
        counters.crashes.inc();
        break;
    }
  }

  private countParsed(event: Extract<PipelineEvent, { type: 'parsed' }>): void {
    const topic = this.topics.of(event.topic);
    this.counters.records.inc({ topic }, event.records);
    if (event.inserts > 0) this.counters.changes.inc({ topic, op: 'insert' }, event.inserts);
    if (event.updates > 0) this.counters.changes.inc({ topic, op: 'update' }, event.updates);
    if (event.deletes > 0) this.counters.changes.inc({ topic, op: 'delete' }, event.deletes);
    for (const [reason, count] of event.skipped) this.counters.skipped.inc({ reason: this.reasons.of(reason) }, count);
  }

  private countBulk(event: Extract<PipelineEvent, { type: 'bulk' }>): void {
    const { bulkItems, syncFailure, syncSuccess } = this.counters;
    const { conflicts, done, held, rejected, retries } = event;
    this.histograms.bulkRequest.observe(event.ms / 1000);
    syncSuccess.inc(done);
    syncFailure.inc(retries + held + rejected);
    bulkItems.inc({ outcome: 'done' }, done - conflicts);
    bulkItems.inc({ outcome: 'conflict' }, conflicts);
    bulkItems.inc({ outcome: 'retry' }, retries);
    bulkItems.inc({ outcome: 'held' }, held);
    bulkItems.inc({ outcome: 'rejected' }, rejected);
  }

  private countSettled(event: Extract<PipelineEvent, { type: 'settled' }>): void {
    const table = this.tables.of(event.table.qualified);
    this.memory.lastSettledMs = event.atMs;
    this.counters.indexed.inc({ table, op: 'upsert' }, event.upserts);
    this.counters.indexed.inc({ table, op: 'delete' }, event.deletes);
    if (event.upserts + event.deletes === 0) return; // only rejected ones: there is no timestamp
    const seconds = Math.max(0, event.atMs - event.oldestTimestampMs) / 1000;
    this.histograms.syncLatency.observe(seconds);
    this.histograms.commitToIndex.observe({ table }, seconds);
  }
}

function made<Name extends string, Metric>(
  table: Readonly<Record<Name, Series>>,
  make: (series: Series) => Metric,
): Readonly<Record<Name, Metric>> {
  const entries = Object.entries<Series>(table).map(([name, series]) => [name, make(series)]);
  return Object.fromEntries(entries) as Record<Name, Metric>;
}
