import { Observable, type ObservableInput, type OperatorFunction, type SchedulerLike } from 'rxjs';
import type { ChangeBatch, Table } from '../pipeline/change.ts';
import type { Report } from '../pipeline/events.ts';
import type { ParkedKey } from '../pipeline/ports.ts';
import type { InFlight } from '../pipeline/position.ts';
import type { Entry } from './fold.ts';
import { WindowLoop } from './window-loop.ts';

export interface LatestPerKeyOptions {
  /** Length of a window, milliseconds. Windows tick from subscription. */
  readonly windowMs: number;
  /** A window closes early at this many keys in the fold. */
  readonly maxKeys: number;
  /** A window closes early at this many bytes in the fold. Below the in-flight limit, or everyone waits for the timer. */
  readonly maxBytes: number;
  /** Bounds of one emitted batch. One document larger than `bytes` travels alone. */
  readonly batch: { readonly documents: number; readonly bytes: number };
  /** A key unsettled for this many windows is parked. */
  readonly parkAfterWindows: number;
  /** Makes keys durable in the store, so that they need neither memory nor position. */
  readonly park: (keys: readonly ParkedKey[]) => ObservableInput<unknown>;
  /** After the source has completed, what is still unsettled after this time is parked. Milliseconds; Infinity waits. */
  readonly drainMs: number;
  readonly inFlight: InFlight;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/** The newest change of each of at most `documents` keys of one index. Whoever takes it must end it with exactly one `finish`. */
export interface DedupedBatch {
  readonly table: Table;
  readonly entries: readonly Entry[];
  readonly bytes: number;
  /** `<window>-<index>-<n>`: the `sync_batch_id`. */
  readonly id: string;
  readonly takenAtMs: number;
  /** Of the entries given, those no newer change has replaced since; the others have joined their successor and are no longer yours. */
  joinSuperseded(entries: readonly Entry[]): readonly Entry[];
  /** Puts entries back into the fold; they are due at once, unless held. */
  giveBack(entries: readonly Entry[]): void;
  /** Keeps this index (null: every index) from being taken for so long, then lets one batch at a time through until one is taken. */
  hold(table: Table | null, forMs: number): void;
  /** Ends entries that are durably settled: their tickets are released. */
  settle(entries: readonly Entry[]): void;
  /** Frees the batch. `progressed`: the index took something of it. */
  finish(progressed: boolean): void;
}

/**
 * Folds changes to the newest of each key and emits them when the window closes, as cold batches: a batch takes its keys
 * out of the fold when it is subscribed, and the next one is emitted only then. So the subscriber's free slot is the
 * demand, and until it comes keys go on folding: a slow index makes windows longer and writes fewer, not memory larger.
 * Recovered keys are due as soon as they come.
 *
 * Delivery: an entry holds the ticket of its first unsettled change until it is settled or parked; nothing is dropped but
 * keys of a partition that was assigned anew, which are read again. Completes when the source has completed and every
 * entry is settled or parked. A source error is passed on at once and the fold forgotten: the position has not moved.
 *
 * @throws RangeError when `maxBytes` exceeds the in-flight limit.
 */
export function latestPerKey(options: LatestPerKeyOptions): OperatorFunction<ChangeBatch, Observable<DedupedBatch>> {
  if (options.maxBytes > options.inFlight.limit.bytes) {
    throw new RangeError(
      `maxBytes must not exceed the in-flight limit of ${options.inFlight.limit.bytes}, got ${options.maxBytes}`,
    );
  }
  return (changes) => new Observable((subscriber) => new WindowLoop(options, changes, subscriber).start());
}
