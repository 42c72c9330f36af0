import { hash } from 'node:crypto';
import type { Batch, KafkaMessage } from 'kafkajs';
import { type LogRecord, type RecordBatch, recordsSize } from '../pipeline/change.ts';
import type { InFlight, PartitionLog } from '../pipeline/position.ts';
import { anchorChanged, outsideLog, type StartPlace } from './kafka-checks.ts';
import { FetchedRecord } from './kafka-records.ts';
import { anchorOf, recordSlices } from './record-slices.ts';

export interface KafkaPartitionOptions {
  readonly log: PartitionLog;
  readonly start: StartPlace;
  readonly epochAt: (offset: number) => number;
  readonly inFlight: InFlight;
  readonly emit: (batch: RecordBatch) => void;
}

/**
 * What the consumer does after a fetched batch. `read`: go on at `expected`. `seek`: fetch again from `expected`, the batch
 * does not begin there. `hole`: records are missing before the batch; ask the broker why, then `passHole` or fail.
 */
export type Taken =
  | { readonly kind: 'read'; readonly records: number; readonly bytes: number }
  | { readonly kind: 'seek' }
  | { readonly kind: 'hole' };

interface Fetched extends Pick<Batch, 'firstOffset' | 'lastOffset'> {
  /** In offset order; all decoded by us, or all by kafkajs. */
  readonly messages: readonly KafkaMessage[] | readonly FetchedRecord[];
}

/**
 * One partition during one assignment: turns what is fetched into batches and admits each to the log.
 *
 * States: looking for the anchor, then reading. A batch that does not begin at the expected offset is fetched once more
 * before it is believed: a fetch of the assignment before may still arrive, and its offsets say nothing about ours.
 */
export class KafkaPartition {
  readonly log: PartitionLog;
  private readonly options: KafkaPartitionOptions;
  /** `topic/partition`. */
  readonly place: string;
  private anchor: StartPlace['anchor'];
  private suspect: number | null = null;
  private isHoleKnown = false;

  constructor(options: KafkaPartitionOptions) {
    this.options = options;
    this.log = options.log;
    this.place = `${options.log.topic}/${options.log.partition}`;
    this.anchor = options.start.anchor;
  }

  /** Where the next fetch has to begin. */
  get expected(): number {
    return this.anchor?.offset ?? this.log.read;
  }

  /** The broker says that what is missing before the suspect batch never was there, or was removed for good reason. */
  passHole(): void {
    this.isHoleKnown = true;
  }

  /**
   * Emits a fetched batch in slices, as far as the in-flight limit lets it; `takeRest` takes the rest, or it is fetched again. Errors: E2002
   * when the anchor is another record, E2003 when the log went back.
   */
  take(batch: Fetched): Taken {
    const first = Number(batch.firstOffset() ?? this.expected);
    const next = Number(batch.lastOffset()) + 1;
    const doubt = this.doubt(first);
    if (doubt !== null) return doubt;
    const records = logRecords(batch.messages);
    if (this.anchor !== null) {
      this.verifyAnchor(records[0]);
      if (this.log.read < first || this.log.read >= next) return { kind: 'seek' };
    }
    return this.emitSlices(recordsFrom(records, this.log.read), next);
  }

  /** Emits what `take` has left of a batch, as far as there is room now. */
  takeRest(batch: Fetched): Taken {
    return this.emitSlices(recordsFrom(logRecords(batch.messages), this.log.read), Number(batch.lastOffset()) + 1);
  }

  /** kafkajs passes over a batch of control and aborted records by itself and only tells of it. */
  skip(first: number, next: number): Taken {
    const doubt = this.doubt(first);
    if (doubt !== null) return doubt;
    if (this.anchor !== null) throw anchorChanged(this.place, this.anchor);
    return this.emitSlices([], next);
  }

  private doubt(first: number): Taken | null {
    const { expected } = this;
    if (first === expected || (first > expected && this.isHoleKnown && first === this.suspect)) {
      this.suspect = null;
      this.isHoleKnown = false;
      return null;
    }
    if (first !== this.suspect) {
      this.suspect = first;
      return { kind: 'seek' };
    }
    // Fetched from where we asked, so the log itself begins anew: it was made again, or cut and written over.
    if (first < expected) throw outsideLog(this.place, expected, null);
    return { kind: 'hole' };
  }

  private verifyAnchor(record: LogRecord | undefined): void {
    const anchor = this.anchor as NonNullable<StartPlace['anchor']>;
    this.anchor = null;
    const isSame =
      record !== undefined &&
      record.offset === anchor.offset &&
      record.timestampMs === anchor.timestampMs &&
      hash('md5', record.value ?? '', 'hex') === anchor.hash;
    if (!isSame) throw anchorChanged(this.place, anchor);
  }

  /**
   * Values stay slices of the fetch buffer, which may be megabytes: the next stage parses them before `emit` returns and
   * later stages hold text of their own, so copying would be work for nothing.
   */
  private emitSlices(records: readonly LogRecord[], nextOffset: number): Taken {
    const { emit, epochAt, inFlight } = this.options;
    const { log } = this;
    const { topic, partition } = log;
    const taken = { records: 0, bytes: 0 };
    for (const slice of recordSlices(records, { firstOffset: log.read, nextOffset }, { epochAt })) {
      if (inFlight.isFull || !log.isCurrent) break;
      const ticket = log.admit(slice.firstOffset, slice.nextOffset, anchorOf(slice.records));
      const bytes = recordsSize(slice.records);
      inFlight.add(bytes, slice.records.length);
      taken.records += slice.records.length;
      taken.bytes += bytes;
      emit({ topic, partition, epoch: slice.epoch, records: slice.records, ticket });
    }
    return { kind: 'read', ...taken };
  }
}

function recordsFrom(records: readonly LogRecord[], offset: number): readonly LogRecord[] {
  const start = records.findIndex((record) => record.offset >= offset);
  if (start === -1) return [];
  return start === 0 ? records : records.slice(start);
}

function logRecords(messages: Fetched['messages']): readonly LogRecord[] {
  const isOurs = (all: Fetched['messages']): all is readonly FetchedRecord[] => all[0] instanceof FetchedRecord;
  return isOurs(messages) ? messages : messages.map(recordOf);
}

function recordOf({ offset, timestamp, key, value }: KafkaMessage): LogRecord {
  return { offset: Number(offset), timestampMs: Number(timestamp), key, value };
}
