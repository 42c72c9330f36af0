import { distinctUntilChanged, interval, map, type Observable, type SchedulerLike, startWith } from 'rxjs';
import { type ChangeBatch, type RecordBatch, recordsSize, sizeOf } from '../src/pipeline/change.ts';
import { InFlight, PartitionLog, Ticket } from '../src/pipeline/position.ts';
import { changesOf } from './change-words.ts';

/** A partition that is written in words: `a1 b2` is a batch of two records, at offsets 0 and 1. */
export interface WordLog {
  readonly log: PartitionLog;
  readonly inFlight: InFlight;
  /** Reads a batch that is in the journal already. Without words: one record, after the last one read, that asks nothing. */
  readonly read: (words: string) => ChangeBatch;
  /** Reads a batch that is not in the journal yet. */
  readonly readUnjournaled: (words: string) => ChangeBatch;
  /** Reads the same batch before it is parsed; the value of each record is its word. */
  readonly readRecords: (words: string) => RecordBatch;
  /** The position as it moves. One character late at most: it is looked at once a millisecond. */
  readonly positions: (scheduler: SchedulerLike) => Observable<number>;
}

/** Opens a log that is read from its first offset on. */
export function wordLog({ inFlight = roomyInFlight(), partition = 0 } = {}): WordLog {
  const log = new PartitionLog('shop', partition, 0, inFlight);
  const admit = (offsets: readonly number[]): Ticket =>
    offsets.length === 0
      ? log.admit(log.read, log.read + 1, null)
      : log.admit(Math.min(...offsets), Math.max(...offsets) + 1, null);
  const readUnjournaled = (words: string): ChangeBatch => {
    const changes = changesOf(words);
    const load = loadOf(changes);
    inFlight.add(load.bytes, load.changes);
    return { topic: 'shop', partition, changes, load, ticket: admit(changes.map(({ offset }) => offset)) };
  };
  return {
    log,
    inFlight,
    readUnjournaled,
    read: (words) => {
      const batch = readUnjournaled(words);
      batch.ticket.journaled();
      return batch;
    },
    readRecords: (words) => {
      const records = words.split(' ').map((word) => {
        const offset = Number(/\d+$/.exec(word)?.[0]) - 1;
        return { offset, timestampMs: 1000, key: null, value: Buffer.from(word) };
      });
      inFlight.add(recordsSize(records), records.length);
      return { topic: 'shop', partition, epoch: 0, records, ticket: admit(records.map(({ offset }) => offset)) };
    },
    positions: (scheduler) =>
      interval(1, scheduler).pipe(
        map(() => log.settled),
        startWith(log.settled),
        distinctUntilChanged(),
      ),
  };
}

/** A page of keys the store still owes, as recovery emits one: its ticket belongs to no position. */
export function recoveredPage(words: string, inFlight: InFlight, onFree: () => void = () => undefined): ChangeBatch {
  const changes = changesOf(words);
  const load = loadOf(changes);
  inFlight.add(load.bytes, load.changes);
  const offsets = changes.map(({ offset }) => offset);
  const [firstOffset, nextOffset] = [Math.min(...offsets), Math.max(...offsets) + 1];
  const place = { log: null, topic: 'shop', partition: 0, firstOffset, nextOffset, anchor: null };
  return { topic: 'shop', partition: 0, changes, load, ticket: new Ticket({ ...place, onFree }) };
}

/** A limit that no drawing reaches. */
export function roomyInFlight(): InFlight {
  return new InFlight({ bytes: 1 << 30, changes: 1 << 20 });
}

function loadOf(changes: ChangeBatch['changes']): ChangeBatch['load'] {
  return { bytes: changes.reduce((sum, change) => sum + sizeOf(change), 0), changes: changes.length };
}
