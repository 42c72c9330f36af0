import { Observable, type ObservableInput, type OperatorFunction, type SchedulerLike } from 'rxjs';
import type { Table } from '../pipeline/change.ts';
import type { Report } from '../pipeline/events.ts';
import type { IndexSink } from '../pipeline/ports.ts';
import type { BackoffOptions } from './backoff.ts';
import { Delivery } from './delivery.ts';
import type { Entry } from './fold.ts';
import type { DedupedBatch } from './latest-per-key.ts';
import { Slots, takeSlots } from './slots.ts';
import { Suspects } from './suspects.ts';

export interface BulkIndexOptions {
  /** A request keeps its slot until it is answered: the adapter bounds the time of an answer. */
  readonly index: Pick<IndexSink, 'write'>;
  /** Requests in flight at most. Halved when the index is overloaded, then grown by one every 20 batches that were not. */
  readonly slots: number;
  /** Attempts of one document before its slot is given to others, the first included. */
  readonly maxAttempts: number;
  /** How long an index that takes nothing is left alone, milliseconds. */
  readonly holdMs: number;
  readonly backoff?: BackoffOptions;
  /** Says why this table must not be written to this index (null: it may). Asked before each batch; the answer may be remembered. */
  readonly admit?: (batch: DedupedBatch) => ObservableInput<string | null>;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/** What one request settled: its batch may appear again with others. */
export interface IndexedBatch {
  readonly batch: DedupedBatch;
  readonly table: Table;
  readonly delivered: readonly Entry[];
  readonly rejected: readonly { readonly entry: Entry; readonly errorType: string; readonly detail: string }[];
  readonly startedMs: number;
  readonly endedMs: number;
}

/**
 * Writes due batches to the index, several at a time, and emits what each request settled. A document that fails for now
 * is sent again in its slot, with back-off and jitter, unless a newer change of its key has come; after `maxAttempts` it
 * rejoins the fold. A request of which nothing gets through is then sent in parts, until the document that spoils it is
 * alone: from then on that one travels alone. An index that takes nothing, or asks for a longer wait than
 * `backoff.maxMs`, is held and its documents rejoin at once; other indexes go on.
 *
 * Delivery: every entry of every batch is emitted as delivered or rejected, given back, or joined to its successor.
 */
export function bulkIndex(options: BulkIndexOptions): OperatorFunction<Observable<DedupedBatch>, IndexedBatch> {
  return (due) =>
    new Observable((subscriber) => {
      const slots = new Slots(options.slots);
      const suspects = new Suspects();
      const deliver = (batch: DedupedBatch) => new Delivery(options, { slots, suspects }, batch).run();
      return due.pipe(takeSlots(slots, deliver)).subscribe(subscriber);
    });
}
