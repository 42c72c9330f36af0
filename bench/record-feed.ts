import { Observable } from 'rxjs';
import type { LogRecord, RecordBatch } from '../src/pipeline/change.ts';
import { recordsSize } from '../src/pipeline/change.ts';
import { type InFlight, PartitionLog } from '../src/pipeline/position.ts';
import { recordSlices } from '../src/sources/record-slices.ts';
import type { Load, LoadSummary } from './load.ts';

export const TOPIC = 'bench';

/** Records of a partition that come at a time, as from one fetch of about 2 MiB. */
const FETCH_RECORDS = 2000;
const TIMESTAMP_MS = Date.UTC(2026, 0, 5, 8);

/** The records of a load by partition, as a source hands them on. */
export function logRecords(partitions: Load['partitions']): readonly (readonly LogRecord[])[] {
  return partitions.map((values) =>
    values.map((value, offset) => ({ offset, timestampMs: TIMESTAMP_MS, key: null, value })),
  );
}

/**
 * Keeps the values of loads between runs as bytes alone. Those of all loads as objects would be gone through by each
 * collection of garbage in a measured run, where a fetch is held for a moment.
 */
export class KeptValues {
  private readonly loads = new Map<LoadSummary, readonly { readonly bytes: Buffer; readonly ends: Float64Array }[]>();

  keep({ partitions, summary }: Load): void {
    const packed = partitions.map((values) => {
      const ends = new Float64Array(values.length);
      let end = 0;
      for (const [at, value] of values.entries()) {
        end += value.length;
        ends[at] = end;
      }
      return { bytes: Buffer.concat(values, end), ends };
    });
    this.loads.set(summary, packed);
  }

  /** The values of a load by partition, for one run; what the run before has left is collected. */
  values(load: LoadSummary): Load['partitions'] {
    const partitions = (this.loads.get(load) ?? []).map(({ bytes, ends }) =>
      Array.from(ends, (end, at) => bytes.subarray(at === 0 ? 0 : (ends[at - 1] as number), end)),
    );
    globalThis.gc?.();
    return partitions;
  }
}

/**
 * Emits records from memory as the Kafka source does: partitions in turn, cut in slices, charged to the in-flight limit,
 * and not at all while that is full. Between fetches the event loop turns, so timers and answers of servers are heard.
 */
export function recordFeed(records: readonly (readonly LogRecord[])[], inFlight: InFlight): Observable<RecordBatch> {
  return new Observable((subscriber) => {
    const logs = records.map((_, partition) => new PartitionLog(TOPIC, partition, 0, inFlight));
    const fetchOne = (partition: number): void => {
      const log = logs[partition] as PartitionLog;
      const fetched = (records[partition] ?? []).slice(log.read, log.read + FETCH_RECORDS);
      const range = { firstOffset: log.read, nextOffset: log.read + fetched.length };
      for (const slice of recordSlices(fetched, range, { epochAt: () => 0 })) {
        if (inFlight.isFull) return;
        const ticket = log.admit(slice.firstOffset, slice.nextOffset, null);
        inFlight.add(recordsSize(slice.records), slice.records.length);
        subscriber.next({ topic: TOPIC, partition, epoch: 0, records: slice.records, ticket });
      }
    };
    const turn = (): void => {
      const unread = logs.filter((log) => log.read < (records[log.partition]?.length ?? 0));
      if (subscriber.closed) return;
      if (unread.length === 0) {
        subscriber.complete();
        return;
      }
      for (const log of unread) if (!inFlight.isFull) fetchOne(log.partition);
      if (!inFlight.isFull) {
        setImmediate(turn);
        return;
      }
      const stopWaiting = inFlight.onRoom(() => {
        stopWaiting();
        setImmediate(turn);
      });
    };
    setImmediate(turn);
  });
}
