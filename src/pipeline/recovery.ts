import {
  AsyncSubject,
  concat,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  from,
  ignoreElements,
  interval,
  type Observable,
  type ObservableInput,
  of,
  repeat,
  type SchedulerLike,
  switchMap,
  takeUntil,
  tap,
  toArray,
} from 'rxjs';
import { untilDone } from '../operators/backoff.ts';
import type { Change, ChangeBatch } from './change.ts';
import { sizeOf } from './change.ts';
import { SluiceError } from './errors.ts';
import type { Report } from './events.ts';
import type { OwedKeys } from './owed-keys.ts';
import type { Asked, Assignment, Partition, Store } from './ports.ts';
import { type InFlight, Ticket } from './position.ts';

export interface RecoveryOptions {
  readonly store: Asked<Pick<Store, 'parked' | 'parkedCount' | 'letterCount' | 'redrives' | 'setLetterState'>>;
  readonly assignments: Observable<Assignment>;
  /** When this emits (the input has ended), no further sweep begins; the one under way is finished. */
  readonly until: Observable<unknown>;
  /** When this emits (somebody wants to stop), recovery ends: what is still parked stays parked. */
  readonly halt: Observable<unknown>;
  readonly parked: OwedKeys;
  readonly letters: OwedKeys;
  /** Whether the index takes anything. Sweeps wait while it does not: reading pages would only push back-offs up. */
  readonly isIndexUp: () => ObservableInput<boolean>;
  /** Time between sweeps, milliseconds. */
  readonly sweepMs: number;
  /** Bounds of one page. */
  readonly page: { readonly keys: number; readonly bytes: number };
  readonly inFlight: InFlight;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/**
 * The keys that the store still owes the index: all of them at every assignment and whenever the index is back after it
 * took nothing, then those whose back-off has passed, sweep after sweep, together with the letters somebody asked to send
 * again. A page is one batch under a ticket of its own. One is read ahead: the next but one is read when every key of it is
 * settled, superseded by the live stream, or let go.
 *
 * Delivery: the keys are durable in the store until something as new is settled, so nothing here can lose them. When the
 * store is unreachable recovery waits; live changes do not.
 */
export function recovered(options: RecoveryOptions): Observable<ChangeBatch> {
  const { assignments, halt, scheduler, sweepMs, until } = options;
  return assignments.pipe(
    takeUntil(until),
    switchMap(({ partitions }) => {
      for (const partition of partitions) {
        options.parked.forget(partition);
        options.letters.forget(partition);
      }
      let isComplete = false;
      return concat(of(0), interval(sweepMs, scheduler).pipe(takeUntil(until))).pipe(
        // A sweep that outlasts the interval is not joined by a second one.
        exhaustMap(() =>
          from(options.isIndexUp()).pipe(
            concatMap((isUp) => {
              const onlyDue = isComplete;
              isComplete = isUp;
              return isUp ? from(partitions).pipe(concatMap((one) => recoverPartition(options, one, onlyDue))) : EMPTY;
            }),
          ),
        ),
      );
    }),
    takeUntil(halt),
  );
}

function recoverPartition(options: RecoveryOptions, partition: Partition, onlyDue: boolean): Observable<ChangeBatch> {
  return concat(
    defer(() => count(options, partition)).pipe(concatMap((total) => pages(options, partition, onlyDue, total))),
    defer(() => redriven(options, partition)),
  );
}

/**
 * Finds out whether the store owes this partition anything at all; if not, settling need not ask it. Emits the number of
 * parked keys once, null when it was not asked for.
 */
function count(options: RecoveryOptions, partition: Partition): Observable<number | null> {
  const { letters, parked, store } = options;
  const questions = [
    { owed: parked, ask: () => store.parkedCount(partition) },
    { owed: letters, ask: () => store.letterCount(partition) },
  ].filter(({ owed }) => owed.isUnknown(partition));
  return from(questions).pipe(
    concatMap(({ ask, owed }) => {
      const mark = owed.mark(partition);
      return untilAnswered(options, ask).pipe(
        tap((owing) => {
          if (owing === 0) owed.none(partition, mark);
        }),
        concatMap((owing) => (owed === parked ? of(owing) : EMPTY)),
      );
    }),
    toArray(),
    concatMap(([total = null]) => of(total)),
  );
}

/** Reads page after page, and completes when all are settled; `total` are the keys there were at the beginning. */
function pages(
  options: RecoveryOptions,
  partition: Partition,
  onlyDue: boolean,
  total: number | null,
): Observable<ChangeBatch> {
  const { page, report, scheduler, store } = options;
  const { topic, partition: number } = partition;
  let cursor: string | null = null;
  let sent = 0;
  let before: Observable<never> = EMPTY;
  const read = () =>
    store.parked(partition, { cursor, limit: page.keys, maxBytes: page.bytes, nowMs: scheduler.now(), onlyDue });
  const sendAll = untilAnswered(options, read).pipe(
    concatMap((answer) => {
      cursor = answer.cursor;
      const changes = answer.keys.map(({ change }) => change);
      sent += changes.length;
      if (changes.length > 0) {
        const left = cursor === null ? 0 : onlyDue || total === null ? null : Math.max(0, total - sent);
        report({ type: 'recovered', topic, partition: number, keys: changes.length, left });
      }
      if (changes.length === 0) return EMPTY;
      const page = pageOf(options, partition, changes);
      const room = before;
      before = page.settled;
      return concat(of(page.batch), room);
    }),
    // Not by recursion: every page would then lie inside the one before, and a long way back would end on the stack.
    repeat({ delay: () => (cursor === null ? EMPTY : of(0)) }),
  );
  return concat(
    sendAll,
    defer(() => before),
  );
}

/** Asks the store until it answers. Meanwhile the live stream may have no reason to ask it, so it is told here that it is away. */
function untilAnswered<T>({ report, scheduler }: RecoveryOptions, call: () => ObservableInput<T>): Observable<T> {
  let isAway = false;
  const onFailure = (error: unknown): void => {
    const [code, detail] =
      error instanceof SluiceError ? [error.code, error.message] : (['E4001', 'the store gave no answer'] as const);
    isAway = true;
    report({ type: 'dependency', name: 'store', isUp: false, code, detail });
  };
  const answered = (): void => {
    if (isAway) report({ type: 'dependency', name: 'store', isUp: true, code: '', detail: '' });
    isAway = false;
  };
  return untilDone(call, scheduler, { onFailure }).pipe(tap(answered));
}

/** One batch, charged to the in-flight limit from now on; `settled` completes when its ticket is free. */
function pageOf(
  { inFlight }: RecoveryOptions,
  { topic, partition }: Partition,
  changes: readonly Change[],
): { batch: ChangeBatch; settled: Observable<never> } {
  const settled = new AsyncSubject<never>();
  const offsets = changes.map((change) => change.offset);
  const ticket = new Ticket({
    log: null,
    topic,
    partition,
    firstOffset: Math.min(...offsets),
    nextOffset: Math.max(...offsets) + 1,
    anchor: null,
    onFree: () => settled.complete(),
  });
  const load = { bytes: changes.reduce((sum, change) => sum + sizeOf(change), 0), changes: changes.length };
  inFlight.add(load.bytes, load.changes);
  return { batch: { topic, partition, changes, ticket, load }, settled };
}

/** The page, and nothing more until it is settled. */
function sent({ batch, settled }: ReturnType<typeof pageOf>): Observable<ChangeBatch> {
  return concat(of(batch), settled);
}

/**
 * Letters marked for redrive. They are put back to `open` before they are sent: delivery closes them, a second rejection
 * leaves them as they are. Those a newer change has overtaken are closed; those that hold no change stay open.
 */
function redriven(options: RecoveryOptions, partition: Partition): Observable<ChangeBatch> {
  const { letters, report, store } = options;
  return untilAnswered(options, () => store.redrives(partition, options.page.keys)).pipe(
    concatMap((marked) => {
      if (marked.length === 0) return EMPTY;
      const overtaken = marked.filter(({ isOvertaken }) => isOvertaken).map(({ letter }) => letter.id);
      const sentAgain = marked.filter(({ isOvertaken }) => !isOvertaken);
      const changes = sentAgain.flatMap(({ change }) => (change === null ? [] : [change]));
      for (const change of changes) letters.add(partition, change);
      const withoutChange = sentAgain.length - changes.length;
      if (withoutChange > 0) {
        const detail = `${withoutChange} letters hold a whole record, not a change of one key`;
        report({ type: 'notice', kind: 'not-redrivable', table: '', detail, offset: 0, ...partition });
      }
      const open = sentAgain.map(({ letter }) => letter.id);
      return concat(
        setState(options, overtaken, 'closed'),
        setState(options, open, 'open'),
        changes.length === 0 ? EMPTY : defer(() => sent(pageOf(options, partition, changes))),
      );
    }),
  );
}

function setState(options: RecoveryOptions, ids: readonly number[], state: 'open' | 'closed'): Observable<never> {
  if (ids.length === 0) return EMPTY;
  return untilAnswered(options, () => options.store.setLetterState(ids, state)).pipe(ignoreElements());
}
