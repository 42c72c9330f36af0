import type { RecordBatch } from '../../src/pipeline/change.ts';
import { recordsSize } from '../../src/pipeline/change.ts';
import type { RecordSource } from '../../src/pipeline/ports.ts';
import { InFlight } from '../../src/pipeline/position.ts';

/** Stands for the pipeline: keeps batches until they are settled, and gives their charge back then. */
export class SourceReader {
  readonly inFlight: InFlight;
  readonly batches: RecordBatch[] = [];
  /** `topic/partition` of every assignment so far, and where each log began. */
  readonly assigned: { readonly generation: number; readonly places: ReadonlyMap<string, number> }[] = [];
  /** Names of what happened, in order: `assigned`, then `topic/partition` for each batch. */
  readonly history: string[] = [];
  error: unknown = null;
  isComplete = false;
  maxBytes = 0;
  private readonly held = new Set<RecordBatch>();
  private isSettling: boolean;

  constructor(limit: { bytes: number; changes: number }, { isSettling = true } = {}) {
    this.inFlight = new InFlight(limit);
    this.isSettling = isSettling;
  }

  read(source: RecordSource): void {
    source.assignments.subscribe(({ generation, partitions }) => {
      const places = partitions.map((log) => [`${log.topic}/${log.partition}`, log.settled] as const);
      this.assigned.push({ generation, places: new Map(places) });
      this.history.push('assigned');
    });
    source.records.subscribe({
      next: (batch) => this.take(batch),
      error: (error) => {
        this.error = error;
      },
      complete: () => {
        this.isComplete = true;
      },
    });
  }

  /** Settles what is held, oldest first (all of it by default), and from then on everything at once when told to. */
  settle(count = Number.POSITIVE_INFINITY, { isSettling = false } = {}): void {
    this.isSettling = isSettling;
    for (const batch of [...this.held].slice(0, count)) this.settleOne(batch);
  }

  settleOne(batch: RecordBatch): void {
    if (!this.held.delete(batch)) return;
    batch.ticket.journaled();
    batch.ticket.release();
    this.inFlight.add(-recordsSize(batch.records), -batch.records.length);
  }

  get count(): number {
    return this.batches.reduce((sum, batch) => sum + batch.records.length, 0);
  }

  /** Offsets read of a partition, in the order they came. */
  offsets(topic: string, partition: number): number[] {
    return this.recordsOf(topic, partition).map((record) => record.offset);
  }

  values(topic: string, partition: number): (string | null)[] {
    return this.recordsOf(topic, partition).map(({ value }) => value?.toString('latin1') ?? null);
  }

  private recordsOf(topic: string, partition: number) {
    return this.batches
      .filter((batch) => batch.topic === topic && batch.partition === partition)
      .flatMap((batch) => batch.records);
  }

  private take(batch: RecordBatch): void {
    this.batches.push(batch);
    this.history.push(`${batch.topic}/${batch.partition}`);
    this.held.add(batch);
    this.maxBytes = Math.max(this.maxBytes, this.inFlight.bytes);
    if (this.isSettling) this.settleOne(batch);
  }
}
