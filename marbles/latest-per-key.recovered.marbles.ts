import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endWith, ignoreElements, map, merge, Observable, Subject, take } from 'rxjs';
import { type DedupedBatch, latestPerKey } from '../src/operators/latest-per-key.ts';
import { wordOf, wordsOf } from './change-words.ts';
import { foldOptions, heldIndex, index, parkingStore } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { recoveredPage, roomyInFlight, wordLog } from './word-log.ts';

/** Entries with the version that the store holds of each, where it does. */
function owedWords({ entries }: DedupedBatch): string {
  return entries
    .map((entry) => `${wordOf(entry)}${entry.parkedVersion > 0 ? `/${entry.parkedVersion}` : ''}`)
    .join(' ');
}

test('a recovered key that the index does not take is let go: the store has it', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const pages = hot('    1------------|', { 1: 'a1 b2' });
    const freed = '        (f|)';
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
      const fold = latestPerKey(foldOptions({ scheduler, log, park }));
      return page.pipe(fold, heldIndex()).subscribe();
    });
    expectObservable(free).toBe(freed);
    expectObservable(pages.pipe(ignoreElements(), endWith(calls))).toBe('13ms (x|)', { x: [] });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('recovered keys are due at once, and live ones when their window closes', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1-----|', { 1: 'c1' });
    const pages = hot('    --2-3--', { 2: 'a2 b3', 3: 'd4' });
    //                     -----|--   windowMs = 6
    const batches = '      --x-y-z|';
    const page = pages.pipe(map((words) => recoveredPage(words, log.inFlight)));
    const folded = merge(page.pipe(take(2)), records.pipe(map(log.read))).pipe(
      latestPerKey(foldOptions({ scheduler, log })),
      index(),
      map(({ entries }) => wordsOf(entries)),
    );
    expectObservable(folded).toBe(batches, { x: 'a2 b3', y: 'd4', z: 'c1' });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a page of recovered keys does not wait for a key that the live stream has taken over', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const pages = hot('    12-----', { 1: 'b1', 2: 'a1' });
    const records = hot('  ---3---|', { 3: 'a2' });
    const answer = cold('  ----------|');
    const batches = '      x---------y---------|';
    const freed = '        ---2------1';
    const free = new Subject<string>();
    let count = 0;
    const page = pages.pipe(
      take(2),
      map((words) => {
        count += 1;
        const name = String(count);
        return recoveredPage(words, log.inFlight, () => free.next(name));
      }),
    );
    const folded = merge(page, records.pipe(map(log.read))).pipe(
      latestPerKey(foldOptions({ scheduler, log })),
      index(1, () => answer),
      map(({ entries }) => entries.map((entry) => `${wordOf(entry)}, parked ${entry.parkedVersion}`).join(' ')),
    );
    expectObservable(free).toBe(freed);
    expectObservable(folded).toBe(batches, { x: 'b1, parked 1', y: 'a2, parked 1' });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a recovered key of a held index is let go when it is overdue, and not parked again', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1------------------|', { 1: 'b9' });
    const pages = hot('    -------2------------', { 2: 'a1' });
    //                     -----|-----|-----|--   windowMs = 6, parked after 2
    const positions = '    0-----------9-------';
    const freed = '        ------------f';
    const { calls, park } = parkingStore(scheduler);
    const free = new Subject<string>();
    const page = pages.pipe(
      take(1),
      map((words) => recoveredPage(words, log.inFlight, () => free.next('f'))),
    );
    const fold = latestPerKey(foldOptions({ scheduler, log, park, parkAfterWindows: 2 }));
    const folded = merge(records.pipe(map(log.read)), page).pipe(fold, heldIndex());
    expectObservable(folded.pipe(map(({ entries }) => wordsOf(entries)))).toBe('------x------------|', { x: 'b9' });
    expectObservable(free).toBe(freed);
    expectObservable(log.positions(scheduler), '^ 18ms !').toBe(positions, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expectObservable(records.pipe(ignoreElements(), endWith(calls))).toBe('19ms (x|)', { x: ['12: b9 from 8'] });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('what the store holds of a key is known to whichever change of it is written, so that the store can be told', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const pages = hot('    1-2-----------', { 1: 'a1 c3', 2: 'b2' });
    const records = hot('  -3-----4-----|', { 3: 'b5', 4: 'a6' });
    //                     -----|-----|--   windowMs = 6
    const answer = cold('  ----------|');
    //                               [ a1 is refused and joins a6
    const batches = '      x---------y---------z---------|';
    const page = pages.pipe(map((words) => recoveredPage(words, log.inFlight)));
    const takes = (_batch: DedupedBatch, { change }: { change: { version: number } }): boolean => change.version > 1;
    const fold = latestPerKey(foldOptions({ scheduler, log }));
    const folded = merge(page.pipe(take(2)), records.pipe(map(log.read))).pipe(
      fold,
      index(1, () => answer, takes),
    );
    // b5 came before what the store holds of b.
    expectObservable(folded.pipe(map(owedWords))).toBe(batches, { x: 'a1/1 c3/3', y: 'b5/2', z: 'a6/1' });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});
