import {
  concat,
  defer,
  EMPTY,
  Observable,
  type ObservableInput,
  type OperatorFunction,
  of,
  type SchedulerLike,
  timer,
} from 'rxjs';
import { catchError, finalize, ignoreElements, last, mergeMap } from 'rxjs/operators';
import type { Table } from '../pipeline/change.ts';
import type { Report } from '../pipeline/events.ts';
import type { IndexSink, IndexWrite, Outcome } from '../pipeline/ports.ts';
import { type BackoffOptions, backoffMs, LONGEST_WAIT_MS } from './backoff.ts';
import type { Entry } from './fold.ts';
import type { DedupedBatch } from './latest-per-key.ts';
import { groupOutcomes, type OutcomeGroups, UNKNOWN } from './outcome-groups.ts';
import { Slots, takeSlots } from './slots.ts';

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
 * rejoins the fold. An index that takes nothing, or asks for a longer wait than `backoff.maxMs`, is held and its documents
 * rejoin at once; other indexes go on.
 *
 * Delivery: every entry of every batch is emitted as delivered or rejected, given back, or joined to its successor.
 */
export function bulkIndex(options: BulkIndexOptions): OperatorFunction<Observable<DedupedBatch>, IndexedBatch> {
  return (due) =>
    new Observable((subscriber) => {
      const slots = new Slots(options.slots);
      return due.pipe(takeSlots(slots, (batch) => new Delivery(options, slots, batch).run())).subscribe(subscriber);
    });
}

/** The way of one batch through its slot. */
class Delivery {
  private readonly options: BulkIndexOptions;
  private readonly slots: Slots;
  private readonly batch: DedupedBatch;
  private progressed = false;

  constructor(options: BulkIndexOptions, slots: Slots, batch: DedupedBatch) {
    this.options = options;
    this.slots = slots;
    this.batch = batch;
  }

  run(): Observable<IndexedBatch> {
    const { admit, holdMs } = this.options;
    const { batch } = this;
    const refusal =
      admit === undefined
        ? of(null)
        : defer(() => admit(batch)).pipe(
            last(),
            catchError(() => of('pairing-unknown')),
          );
    return refusal.pipe(
      mergeMap((reason) => {
        if (reason === null) return this.send(batch.entries, 1);
        this.holdIndex(batch.entries, { scope: 'index', errorType: reason }, holdMs);
        return EMPTY;
      }),
      finalize(() => batch.finish(this.progressed)),
    );
  }

  private send(candidates: readonly Entry[], attempt: number): Observable<IndexedBatch> {
    const entries = attempt === 1 ? candidates : this.batch.joinSuperseded(candidates);
    if (entries.length < candidates.length) {
      this.options.report({ type: 'superseded-in-flight', keys: candidates.length - entries.length });
    }
    if (entries.length === 0) return EMPTY;
    const { index, scheduler } = this.options;
    const startedMs = scheduler.now();
    return defer(() => index.write(entries.map(writeOf))).pipe(
      last(),
      catchError(() => of(entries.map(() => UNKNOWN))),
      mergeMap((outcomes) => this.conclude(entries, outcomes, attempt, startedMs)),
    );
  }

  private conclude(
    entries: readonly Entry[],
    outcomes: readonly Outcome[],
    attempt: number,
    startedMs: number,
  ): Observable<IndexedBatch> {
    const { batch, options } = this;
    const { delivered, conflicts, rejected, halves, held, hold, failed, failure } = groupOutcomes(entries, outcomes);
    const endedMs = options.scheduler.now();
    options.report({
      type: 'bulk',
      table: batch.table,
      documents: entries.length,
      ms: endedMs - startedMs,
      done: delivered.length,
      conflicts,
      retries: failed.length,
      held: held.length,
      rejected: rejected.length,
    });
    if (failure.isOverload) this.slots.overloaded();
    else this.slots.fine();
    if (hold !== null) this.holdIndex(held, hold, options.holdMs);
    const isSettled = delivered.length + rejected.length > 0;
    this.progressed ||= isSettled;
    return concat(
      isSettled ? of({ batch, table: batch.table, delivered, rejected, startedMs, endedMs }) : EMPTY,
      this.sendHalves(halves, attempt),
      this.sendAgain(failed, failure, attempt),
    );
  }

  private holdIndex(
    entries: readonly Entry[],
    { scope, errorType }: { scope: 'index' | 'all'; errorType: string },
    forMs: number,
  ): void {
    const table = scope === 'all' ? null : this.batch.table;
    this.options.report({ type: 'held', table, errorType, forMs });
    this.batch.hold(table, forMs);
    this.batch.giveBack(entries);
  }

  private sendHalves(entries: readonly Entry[], attempt: number): Observable<IndexedBatch> {
    if (entries.length === 0) return EMPTY;
    const middle = Math.ceil(entries.length / 2);
    return concat(
      defer(() => this.send(entries.slice(0, middle), attempt)),
      defer(() => (middle < entries.length ? this.send(entries.slice(middle), attempt) : EMPTY)),
    );
  }

  /** Waits in the slot, so that a failing index is not asked faster, then sends what is still ours or gives it back. */
  private sendAgain(
    entries: readonly Entry[],
    failure: OutcomeGroups['failure'],
    attempt: number,
  ): Observable<IndexedBatch> {
    if (entries.length === 0) return EMPTY;
    const { backoff, maxAttempts, report, scheduler } = this.options;
    if (failure.retryAfterMs > (backoff?.maxMs ?? LONGEST_WAIT_MS)) {
      this.holdIndex(entries, { scope: 'index', errorType: failure.errorType }, failure.retryAfterMs);
      return EMPTY;
    }
    const waitMs = Math.max(backoffMs(attempt, backoff), failure.retryAfterMs);
    report({
      type: 'retrying',
      table: this.batch.table,
      errorType: failure.errorType,
      keys: entries.length,
      attempt,
      waitMs,
    });
    const wait = timer(waitMs, scheduler).pipe(ignoreElements());
    const then = defer(() => {
      if (attempt < maxAttempts) return this.send(entries, attempt + 1);
      this.batch.giveBack(entries);
      return EMPTY;
    });
    return concat(wait, then);
  }
}

function writeOf({ change }: Entry): IndexWrite {
  return {
    table: change.table,
    key: change.key,
    version: change.version,
    document: change.op === 'upsert' ? change.document : null,
  };
}
