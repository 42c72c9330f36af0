import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endWith, ignoreElements, map, merge, Observable, take, tap } from 'rxjs';
import { latestPerKey } from '../src/operators/latest-per-key.ts';
import { wordsOf } from './change-words.ts';
import { foldOptions, heldIndex, index, parkingStore } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { recoveredPage, roomyInFlight, wordLog } from './word-log.ts';

test('a recovered key that the index does not take is let go: the store has it', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const pages = hot('    1------------|', { 1: 'a1 b2' });
    //                     -----|            windowMs = 6
    const freed = '        ------(f|)';
    const { calls, park } = parkingStore(scheduler);
    const free = new Observable<string>((subscriber) => {
      const page = pages.pipe(
        map((words) =>
          recoveredPage(words, log.inFlight, () => {
            subscriber.next('f');
            subscriber.complete();
          }),
        ),
      );
      const fold = latestPerKey(foldOptions({ scheduler, log, park, parkAfterWindows: 1 }));
      return page.pipe(fold, heldIndex()).subscribe();
    });
    expectObservable(free).toBe(freed);
    expectObservable(pages.pipe(ignoreElements(), endWith(calls))).toBe('13ms (x|)', { x: [] });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('keys of a partition that was assigned anew are dropped, and those of another are not', () => {
  const inFlight = roomyInFlight();
  const lost = wordLog({ inFlight });
  const kept = wordLog({ inFlight, partition: 1 });
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const one = hot('      1---2-----|', { 1: 'a1 b2', 2: 'c3' });
    const other = hot('    --3-------|', { 3: 'd1 logs.e2' });
    const retired = hot('  ---r');
    //                     -----|-----   windowMs = 6
    const batches = '      ------(xy)|';
    const records = merge(
      one.pipe(map(lost.read)),
      other.pipe(map(kept.read)),
      retired.pipe(
        take(1),
        tap(() => lost.log.retire()),
        ignoreElements(),
      ),
    );
    const folded = records.pipe(latestPerKey(foldOptions({ scheduler, log: lost })), index());
    const words = folded.pipe(map(({ entries }) => wordsOf(entries)));
    expectObservable(words).toBe(batches, { x: 'd1', y: 'logs.e2' });
  });
  assert.equal(lost.log.settled, 0);
  assert.equal(kept.log.settled, 2);
  assert.deepEqual(inFlight, roomyInFlight());
});
