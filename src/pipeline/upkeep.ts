import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  ignoreElements,
  interval,
  merge,
  type Observable,
  of,
  repeat,
  type SchedulerLike,
  switchMap,
  tap,
  timer,
} from 'rxjs';
import { untilDone } from '../operators/backoff.ts';
import { checkDeletes, type DeleteCheckOptions } from './delete-checks.ts';
import type { Report } from './events.ts';
import type { PairingRefusal } from './pairing.ts';
import type { Asked, Assignment, IndexSink, Store, StoredPosition } from './ports.ts';
import type { PartitionLog } from './position.ts';

export interface UpkeepOptions {
  readonly store: Asked<Pick<Store, 'positions' | 'savePositions' | 'deletesBetween' | 'purge'>>;
  readonly index: Asked<Pick<IndexSink, 'versions' | 'write' | 'incarnation'>>;
  /** What stands against a table's writes from a topic; see `pairingRefusals`. */
  readonly refusalOf?: PairingRefusal;
  readonly assignments: Observable<Assignment>;
  /** Z of delivery.md 6, the longest pause of an instance that is admitted. Milliseconds, 24 h by default. */
  readonly pauseLimitMs: number;
  /** How long the index remembers deletes, milliseconds (`gc_deletes`, 1 h by default). */
  readonly gcDeletesMs: number;
  /** Journal rows, monitor rows and closed letters older than this are purged once an hour. Milliseconds. */
  readonly keepMs: number;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

const MIRROR_MS = 1000;
const SOON_MS = 120_000;
const INCARNATION_MS = 30_000;
const PURGE_MS = 3_600_000;
/** What a timer of Node.js can wait for; it takes more for 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * What has to be done beside the stream, for as long as it is subscribed: positions mirrored in the store, deletes checked
 * (delivery.md 6), old rows purged. Never emits and never errs; a store or an index that is away is asked again.
 */
export function upkeep(options: UpkeepOptions): Observable<never> {
  const { assignments, scheduler } = options;
  return merge(
    assignments.pipe(
      switchMap(({ partitions }) => merge(...partitions.map((log) => new PartitionUpkeep(options, log).run()))),
    ),
    interval(PURGE_MS, scheduler).pipe(exhaustMap(() => purgeAll(options))),
  ).pipe(ignoreElements());
}

function purgeAll({ keepMs, scheduler, store }: UpkeepOptions): Observable<never> {
  let isMore = true;
  return defer(() => store.purge(scheduler.now() - keepMs, 1000)).pipe(
    tap((rows) => {
      isMore = rows > 0;
    }),
    repeat({ delay: () => (isMore ? timer(50, scheduler) : EMPTY) }),
    catchError(() => EMPTY), // the next hour tries again
    ignoreElements(),
  );
}

/** One partition during one assignment. R and its candidate are the only state that outlives it, in the store. */
class PartitionUpkeep {
  private readonly options: UpkeepOptions;
  private readonly log: PartitionLog;
  private stored: StoredPosition;
  /** What the store has of it. */
  private saved: StoredPosition | null = null;

  constructor(options: UpkeepOptions, log: PartitionLog) {
    this.options = options;
    this.log = log;
    const { topic, partition, settled } = log;
    const candidateSinceMs = options.scheduler.now();
    this.stored = { topic, partition, settled, anchor: null, deletesChecked: 0, candidate: settled, candidateSinceMs };
  }

  run(): Observable<never> {
    const { gcDeletesMs, scheduler } = this.options;
    return concat(
      this.load(),
      merge(
        interval(MIRROR_MS, scheduler).pipe(exhaustMap(() => this.mirror())),
        this.afterForgetting(),
        this.trailing(SOON_MS),
        this.trailing(Math.min(gcDeletesMs, MAX_TIMER_MS)),
        interval(SOON_MS, scheduler).pipe(exhaustMap(() => this.advance())),
      ),
    ).pipe(ignoreElements());
  }

  private load(): Observable<never> {
    const { scheduler, store } = this.options;
    const { topic, partition } = this.log;
    return untilDone(() => store.positions(topic), scheduler).pipe(
      tap((positions) => {
        const known = positions.find((one) => one.partition === partition);
        if (known !== undefined) this.stored = { ...known, settled: this.log.settled, anchor: known.anchor };
      }),
      ignoreElements(),
    );
  }

  /** Writes the position, its anchor and R when one of them has moved. A failure is left to the next second. */
  private mirror(): Observable<never> {
    const { anchor, isCurrent, settled } = this.log;
    if (!isCurrent) return EMPTY;
    if (settled !== this.stored.settled)
      this.stored = { ...this.stored, settled, anchor: anchor ?? this.stored.anchor };
    if (this.stored === this.saved) return EMPTY;
    const saving = this.stored;
    return defer(() => this.options.store.savePositions([saving])).pipe(
      ignoreElements(),
      tap({
        complete: () => {
          this.saved = saving;
        },
      }),
      catchError(() => EMPTY),
    );
  }

  private unchecked(): { from: number; to: number } {
    return { from: this.stored.deletesChecked, to: this.log.settled };
  }

  /** Every `ms`, checks the deletes that settled between one and two intervals ago. */
  private trailing(ms: number): Observable<never> {
    let before = this.log.settled;
    let last = before;
    return interval(ms, this.options.scheduler).pipe(
      exhaustMap(() => {
        const range = { from: before, to: last };
        before = last;
        last = this.log.settled;
        return this.check(range);
      }),
    );
  }

  /**
   * Checks all deletes above R now, and again when the index may have forgotten some. It is asked before each check, not
   * while one is under way: what it forgets meanwhile is then new to the next question.
   */
  private afterForgetting(): Observable<never> {
    const { index, scheduler } = this.options;
    let known: string | null = null;
    let isFirst = true;
    return timer(0, INCARNATION_MS, scheduler).pipe(
      exhaustMap(() =>
        defer(() => index.incarnation()).pipe(
          catchError(() => of(null)),
          concatMap((incarnation) => {
            const mustCheck = isFirst || (incarnation !== null && incarnation !== known);
            isFirst = false;
            known = incarnation ?? known;
            return mustCheck ? this.check(this.unchecked()) : EMPTY;
          }),
        ),
      ),
    );
  }

  /** Moves R to its candidate by a check that begins when the candidate has been settled for Z; then S is the next candidate. */
  private advance(): Observable<never> {
    const { pauseLimitMs, scheduler } = this.options;
    const nowMs = scheduler.now();
    const { candidate, candidateSinceMs, deletesChecked } = this.stored;
    if (nowMs - candidateSinceMs < pauseLimitMs) return EMPTY;
    const next = this.log.settled;
    return concat(
      this.check({ from: deletesChecked, to: candidate }),
      defer(() => {
        this.stored = {
          ...this.stored,
          deletesChecked: Math.max(deletesChecked, candidate),
          candidate: next,
          candidateSinceMs: nowMs,
        };
        return EMPTY;
      }),
    );
  }

  private check(range: { from: number; to: number }): Observable<never> {
    const { index, refusalOf = () => of(null), report, scheduler, store } = this.options;
    const { topic, partition } = this.log;
    const options: DeleteCheckOptions = { store, index, refusalOf, page: 1000, scheduler };
    return checkDeletes(options, this.log, range).pipe(
      tap(({ checked, repeated }) => {
        if (checked > 0) report({ type: 'deletes-checked', topic, partition, checked, repeated });
      }),
      ignoreElements(),
    );
  }
}
