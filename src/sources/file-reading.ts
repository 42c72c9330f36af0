import type { Observable, Subscriber, TeardownLogic } from 'rxjs';
import { type RecordBatch, recordsSize } from '../pipeline/change.ts';
import { SluiceError } from '../pipeline/errors.ts';
import type { Assignment } from '../pipeline/ports.ts';
import { PartitionLog } from '../pipeline/position.ts';
import { AssignmentFeed } from './assignment-feed.ts';
import { captureLine, type PlacedRecord } from './capture-line.ts';
import type { FileSourceOptions } from './file-source.ts';
import { type NdjsonLine, ndjsonLines } from './ndjson-lines.ts';
import { anchorOf, recordSlices } from './record-slices.ts';

/** More partitions than any log has are a sign of a file that is something else. */
const MAX_PARTITIONS = 4096;

/** One pass over a file. States: idle, reading, ended (input over, stopped, failed or unsubscribed). */
export class FileReading {
  private readonly options: FileSourceOptions;
  private readonly open: (signal: AbortSignal) => AsyncIterable<Buffer>;
  private readonly abort = new AbortController();
  private readonly feed = new AssignmentFeed();
  private readonly logs = new Map<string, PartitionLog>();
  private readonly counts = new Map<string, number>();
  private subscriber: Subscriber<RecordBatch> | null = null;
  private generation = 0;
  private isEnded = false;
  private wake: (() => void) | null = null;

  constructor(options: FileSourceOptions, open: (signal: AbortSignal) => AsyncIterable<Buffer>) {
    this.options = options;
    this.open = open;
  }

  get assignments(): Observable<Assignment> {
    return this.feed.assignments;
  }

  partitionCount(topic: string): number {
    return this.options.partitions ?? this.counts.get(topic) ?? 1;
  }

  start(subscriber: Subscriber<RecordBatch>): TeardownLogic {
    if (this.subscriber !== null) throw new Error('records of a file source can be subscribed once');
    this.subscriber = subscriber;
    if (this.isEnded) return subscriber.complete();
    this.read().then(
      () => subscriber.complete(),
      (error) => subscriber.error(error),
    );
    return () => this.end();
  }

  stop(): void {
    this.end();
    this.subscriber?.complete();
  }

  close(): void {
    this.stop();
    for (const log of this.logs.values()) log.retire();
    this.feed.close();
  }

  private end(): void {
    this.isEnded = true;
    this.wake?.();
    this.abort.abort();
  }

  private async read(): Promise<void> {
    if (this.options.path !== '-' && this.options.partitions === undefined) await this.count();
    for await (const lines of this.lines()) {
      for (const group of this.byPartition(lines)) await this.emit(group);
      if (this.isEnded) return;
    }
  }

  private lines(): AsyncGenerator<readonly NdjsonLine[]> {
    const { maxLineBytes } = this.options;
    return ndjsonLines(this.open(this.abort.signal), maxLineBytes === undefined ? {} : { maxBytes: maxLineBytes });
  }

  /** A first pass over the places only, so that one assignment holds all partitions and their number is known in time. */
  private async count(): Promise<void> {
    for await (const lines of this.lines()) {
      for (const line of lines) this.openLog(this.place(line));
      if (this.isEnded) return;
    }
    this.assign();
  }

  private place({ number, bytes }: NdjsonLine): PlacedRecord {
    const { scheduler, topic = 'file' } = this.options;
    const timestampMs = scheduler.now();
    const captured = captureLine(bytes, { topic, timestampMs });
    return captured ?? { topic, partition: 0, record: { offset: number, timestampMs, key: null, value: bytes } };
  }

  private byPartition(lines: readonly NdjsonLine[]): Iterable<PlacedRecord[]> {
    const groups = new Map<PartitionLog, PlacedRecord[]>();
    const before = this.logs.size;
    for (const line of lines) {
      const placed = this.place(line);
      const log = this.openLog(placed);
      const group = groups.get(log);
      if (group === undefined) groups.set(log, [placed]);
      else group.push(placed);
    }
    if (this.logs.size > before) this.assign();
    return groups.values();
  }

  private openLog({ topic, partition, record }: PlacedRecord): PartitionLog {
    const name = `${topic}/${partition}`;
    const known = this.logs.get(name);
    if (known !== undefined) return known;
    if (this.logs.size === MAX_PARTITIONS) {
      throw new SluiceError('E2004', `${this.options.path} names more than ${MAX_PARTITIONS} partitions`, {
        remedy: 'Check that the file holds a capture',
      });
    }
    const log = new PartitionLog(topic, partition, record.offset, this.options.inFlight);
    this.logs.set(name, log);
    this.counts.set(topic, Math.max(partition + 1, this.counts.get(topic) ?? 1));
    return log;
  }

  private assign(): void {
    this.generation += 1;
    this.feed.next({ generation: this.generation, partitions: [...this.logs.values()] });
  }

  private async emit(group: readonly PlacedRecord[]): Promise<void> {
    const { inFlight, sliceRecords = 500 } = this.options;
    const [first] = group;
    if (first === undefined) return;
    const { topic, partition } = first;
    const log = this.openLog(first);
    const records = group.map((placed) => placed.record);
    refuseDisorder(log, group);
    const nextOffset = (group.at(-1) as PlacedRecord).record.offset + 1;
    const range = { firstOffset: log.read, nextOffset };
    for (const slice of recordSlices(records, range, { maxRecords: sliceRecords, epochAt: () => 0 })) {
      while (inFlight.isFull && !this.isEnded) await this.room();
      if (this.isEnded) return;
      const ticket = log.admit(slice.firstOffset, slice.nextOffset, anchorOf(slice.records));
      inFlight.add(recordsSize(slice.records), slice.records.length);
      this.subscriber?.next({ topic, partition, epoch: slice.epoch, records: slice.records, ticket });
    }
  }

  /** Resolves when a quarter of the in-flight limit is free, or reading has ended. */
  private room(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stopWaiting();
        this.wake = null;
        resolve();
      };
      const stopWaiting = this.options.inFlight.onRoom(done);
      this.wake = done;
    });
  }
}

/** Offsets order the changes of a key: where they go back, nothing that follows can be trusted. */
function refuseDisorder(log: PartitionLog, group: readonly PlacedRecord[]): void {
  let expected = log.read;
  for (const { record } of group) {
    if (record.offset < expected) {
      throw new SluiceError('E2003', `an offset of ${log.topic}/${log.partition} repeats or goes back`, {
        detail: `${record.offset} where ${expected} or more was due`,
        remedy: 'Sort the lines of each partition by offset, and leave out duplicates',
      });
    }
    expected = record.offset + 1;
  }
}
