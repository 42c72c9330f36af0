import {
  concat,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  mergeMap,
  NEVER,
  type Observable,
  type OperatorFunction,
  of,
  pipe,
  type SchedulerLike,
} from 'rxjs';
import type { Entry } from '../src/operators/fold.ts';
import { type DedupedBatch, type LatestPerKeyOptions, latestPerKey } from '../src/operators/latest-per-key.ts';
import type { ParkedKey } from '../src/pipeline/ports.ts';
import { wordOf, wordsOf } from './change-words.ts';
import { type WordLog, wordLog } from './word-log.ts';

export interface FoldWordsOptions extends Partial<LatestPerKeyOptions> {
  readonly scheduler: SchedulerLike;
  readonly log?: WordLog;
  /** What takes the batches: `index()` with slots enough when not given. */
  readonly into?: OperatorFunction<Observable<DedupedBatch>, DedupedBatch>;
}

/** The operator with limits that no drawing reaches unless it sets them: a window is six characters long. */
export function foldOptions({ scheduler, ...overrides }: FoldWordsOptions): LatestPerKeyOptions {
  const { into: _into, log = wordLog(), ...options } = overrides;
  return {
    windowMs: 6,
    maxKeys: 1000,
    maxBytes: 1 << 20,
    batch: { documents: 1000, bytes: 1 << 20 },
    parkAfterWindows: 1000,
    park: () => NEVER,
    drainMs: Number.POSITIVE_INFINITY,
    inFlight: log.inFlight,
    report: () => undefined,
    scheduler,
    ...options,
  };
}

/** Folds batches written in words, and writes each batch that is taken in words. */
export function foldWords(options: FoldWordsOptions): OperatorFunction<string, string> {
  const { into = index(), log = wordLog() } = options;
  return pipe(
    map((words) => log.read(words)),
    latestPerKey(foldOptions({ ...options, log })),
    into,
    map(({ entries }) => wordsOf(entries)),
  );
}

/**
 * An index of so many slots. How long it takes over a batch is drawn by `answer`; an entry that it does not take, which
 * `takes` says when the answer is there, is given back.
 */
export function index(
  slots = 4,
  answer: (batch: DedupedBatch) => Observable<unknown> = () => EMPTY,
  takes: (batch: DedupedBatch, entry: Entry) => boolean = () => true,
): OperatorFunction<Observable<DedupedBatch>, DedupedBatch> {
  const deliver = (batch: DedupedBatch): Observable<DedupedBatch> => {
    let progressed = false;
    const answered = defer(() => {
      const taken = batch.entries.filter((entry) => takes(batch, entry));
      progressed = taken.length > 0;
      batch.settle(taken);
      batch.giveBack(batch.entries.filter((entry) => !taken.includes(entry)));
      return EMPTY;
    });
    return concat(of(batch), answer(batch).pipe(ignoreElements()), answered).pipe(
      finalize(() => batch.finish(progressed)),
    );
  };
  return mergeMap((due) => due.pipe(mergeMap(deliver)), slots);
}

/** An index of one slot that takes nothing, and is held for longer than any drawing. */
export function heldIndex(): ReturnType<typeof index> {
  const takes = (batch: DedupedBatch): boolean => {
    batch.hold(null, 1000);
    return false;
  };
  return index(1, () => EMPTY, takes);
}

/** A store that writes down what is parked, and answers each call as drawn. */
export function parkingStore(
  scheduler: SchedulerLike,
  ...answers: Observable<unknown>[]
): { calls: string[]; park: LatestPerKeyOptions['park'] } {
  const calls: string[] = [];
  const park = (keys: readonly ParkedKey[]): Observable<unknown> => {
    const words = keys.map((key) => `${wordOf(key)} from ${key.firstOffset}`).join(', ');
    calls.push(`${scheduler.now()}: ${words}`);
    return answers.shift() ?? EMPTY;
  };
  return { calls, park };
}
