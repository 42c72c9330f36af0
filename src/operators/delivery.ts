import { concat, defer, EMPTY, type Observable, of, timer } from 'rxjs';
import { catchError, finalize, ignoreElements, last, mergeMap } from 'rxjs/operators';
import type { IndexWrite, Outcome } from '../pipeline/ports.ts';
import { backoffMs, LONGEST_WAIT_MS } from './backoff.ts';
import type { BulkIndexOptions, IndexedBatch } from './bulk-index.ts';
import type { Entry } from './fold.ts';
import type { DedupedBatch } from './latest-per-key.ts';
import { groupOutcomes, type OutcomeGroups, UNKNOWN } from './outcome-groups.ts';
import type { Slots } from './slots.ts';
import type { Suspects } from './suspects.ts';

/** Parts of a batch that may fail before the rest of it is left to others: enough to find one document in 1000, and a bound. */
const MOST_MISSES = 12;

/** The way of one batch through its slot. */
export class Delivery {
  private readonly options: BulkIndexOptions;
  private readonly slots: Slots;
  private readonly suspects: Suspects;
  private readonly batch: DedupedBatch;
  private readonly answersBefore: number;
  private progressed = false;
  /** Parts of which nothing got through, in this round; and how many there were in all. */
  private spoilt: (readonly Entry[])[] = [];
  private misses = 0;

  constructor(options: BulkIndexOptions, shared: { slots: Slots; suspects: Suspects }, batch: DedupedBatch) {
    this.options = options;
    this.slots = shared.slots;
    this.suspects = shared.suspects;
    this.batch = batch;
    this.answersBefore = this.suspects.answersOf(batch.table);
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
        if (reason === null) return this.sendAll(batch.entries);
        this.holdIndex(batch.entries, { scope: 'index', errorType: reason }, holdMs);
        return EMPTY;
      }),
      finalize(() => batch.finish(this.progressed)),
    );
  }

  private sendAll(entries: readonly Entry[]): Observable<IndexedBatch> {
    const { others, suspects } = this.suspects.sort(entries);
    return concat(
      this.send(others, 1),
      defer(() => this.sendSuspect(suspects)),
    );
  }

  /**
   * Once, as a part of a batch is, and alone; also when a newer change has replaced it while the others were sent, or a hot
   * key would never be tried. What cannot be tried now rejoins the fold when the one that is tried does.
   */
  private sendSuspect(suspects: readonly Entry[]): Observable<IndexedBatch> {
    const one = this.suspects.begin(suspects);
    if (one === null) return EMPTY;
    const then = defer(() => {
      this.batch.giveBack([...this.suspects.end(), ...this.spoilt.splice(0).flat()]);
      return EMPTY;
    });
    return concat(this.ask([one], this.options.maxAttempts + 1), then);
  }

  private send(candidates: readonly Entry[], attempt: number): Observable<IndexedBatch> {
    const entries = attempt === 1 ? candidates : this.batch.joinSuperseded(candidates);
    if (entries.length < candidates.length) {
      this.options.report({ type: 'superseded-in-flight', keys: candidates.length - entries.length });
    }
    return entries.length === 0 ? EMPTY : this.ask(entries, attempt);
  }

  /** Attempts of a part of a batch are numbered one above `maxAttempts`. */
  private ask(entries: readonly Entry[], attempt: number): Observable<IndexedBatch> {
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
    const settled = [...delivered, ...rejected.map(({ entry }) => entry)];
    const isSettled = settled.length > 0;
    if (isSettled) this.suspects.answered(batch.table);
    this.suspects.clear(settled);
    this.progressed ||= isSettled;
    const isWhole = failed.length === entries.length && !failure.isOverload;
    return concat(
      isSettled ? of({ batch, table: batch.table, delivered, rejected, startedMs, endedMs }) : EMPTY,
      this.sendHalves(halves, attempt),
      this.sendAgain(failed, { ...failure, isWhole }, attempt),
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
    return concat(...halvesOf(entries).map((half) => defer(() => this.send(half, attempt))));
  }

  /** Waits in the slot, so that a failing index is not asked faster, then sends what is still ours or gives it back. */
  private sendAgain(
    entries: readonly Entry[],
    failure: OutcomeGroups['failure'] & { readonly isWhole: boolean },
    attempt: number,
  ): Observable<IndexedBatch> {
    if (entries.length === 0) return EMPTY;
    const { backoff, report, scheduler } = this.options;
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
      if (attempt < this.options.maxAttempts) return this.send(entries, attempt + 1);
      if (failure.isWhole) return this.spoil(entries, attempt, failure.errorType);
      this.batch.giveBack(entries);
      return EMPTY;
    });
    return concat(wait, then);
  }

  /** Nothing of these got through as often as may be tried. A part waits for the end of its round. */
  private spoil(entries: readonly Entry[], attempt: number, errorType: string): Observable<IndexedBatch> {
    if (attempt === this.options.maxAttempts) return this.suspectOne(entries, errorType);
    this.spoilt.push(entries);
    this.misses += 1;
    return EMPTY;
  }

  /** That the index takes other requests says that one of these is the reason. If it took none meanwhile, it is given any one. */
  private suspectOne(entries: readonly Entry[], errorType: string): Observable<IndexedBatch> {
    if (entries.length === 1 || this.isIndexWell) return this.search([entries], errorType);
    const { backoff: { random = Math.random } = {}, maxAttempts } = this.options;
    const place = Math.floor(random() * entries.length) % entries.length;
    const others = entries.toSpliced(place, 1);
    return concat(
      this.ask(entries.slice(place, place + 1), maxAttempts + 1),
      defer(() => this.search([others, ...this.spoilt.splice(0)], errorType)),
    );
  }

  /** Since this batch was taken. */
  private get isIndexWell(): boolean {
    return this.suspects.answersOf(this.batch.table) > this.answersBefore;
  }

  /** Finds the documents that spoil the requests they are in, round by round, in halves of what failed in the round before. */
  private search(failed: readonly (readonly Entry[])[], errorType: string): Observable<IndexedBatch> {
    const { batch, isIndexWell, suspects } = this;
    const alone = failed.filter(({ length }) => length === 1).flat();
    if (isIndexWell && alone.length > 0) {
      for (const one of alone) suspects.add(one);
      this.options.report({ type: 'isolated', table: batch.table, errorType, keys: alone.length });
    }
    const goesOn = isIndexWell && this.misses < MOST_MISSES;
    batch.giveBack(goesOn ? alone : failed.flat());
    const parts = goesOn ? failed.filter(({ length }) => length > 1).flatMap(halvesOf) : [];
    if (parts.length === 0) return EMPTY;
    return concat(
      // Also what a newer change has replaced: the document of a hot key would never be found.
      ...parts.map((part) => defer(() => this.ask(part, this.options.maxAttempts + 1))),
      defer(() => this.search(this.spoilt.splice(0), errorType)),
    );
  }
}

function halvesOf(entries: readonly Entry[]): (readonly Entry[])[] {
  const middle = Math.ceil(entries.length / 2);
  return [entries.slice(0, middle), entries.slice(middle)].filter(({ length }) => length > 0);
}

function writeOf({ change }: Entry): IndexWrite {
  return {
    table: change.table,
    key: change.key,
    version: change.version,
    document: change.op === 'upsert' ? change.document : null,
  };
}
