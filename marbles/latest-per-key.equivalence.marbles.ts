import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bufferTime,
  concat,
  from,
  groupBy,
  ignoreElements,
  last,
  map,
  mergeMap,
  type Observable,
  type OperatorFunction,
  pipe,
  type SchedulerLike,
  timer,
  toArray,
  VirtualTimeScheduler,
} from 'rxjs';
import { changesOf, wordsOf } from './change-words.ts';
import { foldWords } from './fold-words.ts';

const WINDOW_MS = 3000;

/** When each batch comes, counted from the one before. Versions are given in the order of the log. */
interface Timeline {
  readonly batches: readonly { readonly afterMs: number; readonly words: string }[];
  readonly endsAfterMs: number;
}

/** Off the edge of a window, where it is a matter of taste whether a change comes before the clock. */
const afterMs = fc.integer({ min: 0, max: 4000 });

const timelines: fc.Arbitrary<Timeline> = fc
  .record({
    batches: fc.array(
      fc.record({
        afterMs,
        keys: fc.array(fc.constantFrom('a', 'b', '-a', '-c', 'logs.a', '-logs.b', 'd'), { maxLength: 5 }),
      }),
      { maxLength: 20 },
    ),
    endsAfterMs: afterMs,
  })
  .map(({ batches, endsAfterMs }) => {
    let version = 0;
    const wordOfKey = (key: string): string => {
      version += 1;
      return `${key}${version}`;
    };
    const wordsOfKeys = (keys: readonly string[]): string => {
      if (keys.length === 0) version += 1; // a record that asks nothing has its place in the log too
      return keys.map(wordOfKey).join(' ');
    };
    return { batches: batches.map(({ keys, ...batch }) => ({ ...batch, words: wordsOfKeys(keys) })), endsAfterMs };
  })
  .filter(({ batches, endsAfterMs }) => {
    let at = 0;
    const edges = [...batches.map((batch) => batch.afterMs), endsAfterMs].map((ms) => {
      at += ms;
      return at % WINDOW_MS === 0 && at > 0;
    });
    return !edges.includes(true);
  });

function played({ batches, endsAfterMs }: Timeline, scheduler: SchedulerLike): Observable<string> {
  const steps = batches.map((batch) => timer(batch.afterMs, scheduler).pipe(map(() => batch.words)));
  return concat(...steps, timer(endsAfterMs, scheduler).pipe(ignoreElements()));
}

/** What RxJS's own operators keep of each window: the last change of each key, by index. */
function lastPerKey(scheduler: SchedulerLike): OperatorFunction<string, string> {
  return pipe(
    bufferTime(WINDOW_MS, scheduler),
    map((batches) => batches.flatMap(changesOf)),
    mergeMap((changes) =>
      from(changes).pipe(
        groupBy(({ table }) => table),
        mergeMap((ofOneTable) =>
          ofOneTable.pipe(
            groupBy(({ key }) => key),
            mergeMap((ofOneKey) => ofOneKey.pipe(last())),
            toArray(),
            map(wordsOf),
          ),
        ),
      ),
    ),
  );
}

/** What came out, by the millisecond it came at; batches of one millisecond in no order, as they are of different indexes. */
function windowsOf(timeline: Timeline, operator: (scheduler: SchedulerLike) => OperatorFunction<string, string>) {
  const scheduler = new VirtualTimeScheduler();
  const windows: Record<string, string[]> = {};
  const note = (words: string): void => {
    const at = `${scheduler.now()} ms`;
    windows[at] = [...(windows[at] ?? []), words].sort();
  };
  let end = 'still open';
  played(timeline, scheduler)
    .pipe(operator(scheduler))
    .subscribe({
      next: note,
      complete: () => {
        end = `${scheduler.now()} ms`;
      },
      error: (error) => {
        end = String(error);
      },
    });
  scheduler.flush();
  return { windows, end };
}

test('with a free slot and no cap reached each window is what bufferTime(3000), groupBy and last make of it', () => {
  let windowsSeen = 0;
  fc.assert(
    fc.property(timelines, (timeline) => {
      const folded = windowsOf(timeline, (scheduler) => foldWords({ scheduler, windowMs: WINDOW_MS }));
      const oracle = windowsOf(timeline, lastPerKey);
      assert.deepEqual(folded, oracle);
      windowsSeen += Object.keys(oracle.windows).length;
    }),
    { numRuns: 300 },
  );
  assert.ok(windowsSeen > 300, `only ${windowsSeen} windows were compared`);
});
