import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, endWith, ignoreElements, map, merge, type Observable, take, tap } from 'rxjs';
import type { Entry } from '../src/operators/fold.ts';
import { type DedupedBatch, latestPerKey } from '../src/operators/latest-per-key.ts';
import type { ParkedKey } from '../src/pipeline/ports.ts';
import { wordsOf } from './change-words.ts';
import { foldOptions, foldWords, heldIndex, index } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

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

test('a key holds the position at its oldest unsettled change, however often it is replaced', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-2-3--------|', { 1: 'a1', 2: 'b2', 3: 'a3' });
    //                     -----|-----|--   windowMs = 6
    const answer = cold('        --|');
    //                             [ a3 is refused and due again at once, b2 is taken
    const batches = '      ------x-y----|';
    const positions = '    0---------3---';
    const takes = (_batch: DedupedBatch, { change }: Entry): boolean => change.key === 'b' || scheduler.now() > 8;
    const into = index(1, () => answer, takes);
    expectObservable(records.pipe(foldWords({ scheduler, log, into }))).toBe(batches, { x: 'a3 b2', y: 'a3' });
    expectObservable(log.positions(scheduler), '^ 13ms !').toBe(positions, [0, 1, 2, 3]);
  });
});

test('a change that comes back to a newer one of its key hands over its place', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------2----------|', { 1: 'a1', 2: 'b2 a3' });
    //                     -----|-----|-----|-   windowMs = 6
    const first = cold('         ----|');
    //                               [ a1 is refused and joins a3, which waits for its window
    const second = cold('              ---|');
    const batches = '      ------x-----y-----|';
    const positions = '    0--------------3---';
    const answers = [first, second];
    const takes = (batch: DedupedBatch): boolean => batch.entries.length > 1;
    const into = index(1, () => answers.shift() ?? EMPTY, takes);
    expectObservable(records.pipe(foldWords({ scheduler, log, into }))).toBe(batches, { x: 'a1', y: 'b2 a3' });
    expectObservable(log.positions(scheduler), '^ 18ms !').toBe(positions, [0, 1, 2, 3]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a change that settles while a newer one of its key folds frees its own place only', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------2------|', { 1: 'a1', 2: 'a2' });
    //                     -----|-----|---   windowMs = 6
    const answer = cold('        ----|');
    const batches = '      ------x-----y---|';
    const positions = '    0---------1-----2';
    const into = index(1, () => answer);
    expectObservable(records.pipe(foldWords({ scheduler, log, into }))).toBe(batches, { x: 'a1', y: 'a2' });
    expectObservable(log.positions(scheduler), '^ 16ms !').toBe(positions, [0, 1, 2]);
  });
});

test('a key that is read again after an assignment keeps its newest change under the new claim', () => {
  const inFlight = roomyInFlight();
  const [lost, again] = [wordLog({ inFlight }), wordLog({ inFlight })];
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const before = hot('   1------|', { 1: 'b1 a2' });
    const after = hot('    ---2---|', { 2: 'b1' });
    //                     -----|--   windowMs = 6
    const batches = '      ------x|';
    const records = merge(
      before.pipe(map(lost.read)),
      after.pipe(
        tap(() => lost.log.retire()),
        map(again.read),
      ),
    );
    const folded = records.pipe(latestPerKey(foldOptions({ scheduler, log: lost })), index());
    // a2 is dropped: it is yet to be read again.
    expectObservable(folded.pipe(map(({ entries }) => wordsOf(entries)))).toBe(batches, { x: 'b1' });
  });
  assert.equal(again.log.settled, 1);
  assert.deepEqual(inFlight, roomyInFlight());
});

test('a key that came from two partitions is parked in the one that still counts', () => {
  const inFlight = roomyInFlight();
  const [lost, kept] = [wordLog({ inFlight }), wordLog({ inFlight, partition: 1 })];
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const one = hot('      1------|', { 1: 'a1' });
    const other = hot('    ---2---|', { 2: 'a2' });
    //                     -----|--   windowMs = 6, parked after 1
    const batches = '      ------x|';
    const places: number[] = [];
    const park = (keys: readonly ParkedKey[]): Observable<never> => {
      places.push(...keys.map(({ partition }) => partition));
      return EMPTY;
    };
    const records = merge(
      one.pipe(map(lost.read)),
      other.pipe(
        tap(() => lost.log.retire()),
        map(kept.read),
      ),
    );
    const fold = latestPerKey(foldOptions({ scheduler, log: lost, park, parkAfterWindows: 1 }));
    expectObservable(
      records.pipe(
        fold,
        heldIndex(),
        map(({ entries }) => wordsOf(entries)),
      ),
    ).toBe(batches, { x: 'a2' });
    expectObservable(other.pipe(ignoreElements(), endWith(places))).toBe('7ms (x|)', { x: [1] });
  });
  assert.equal(kept.log.settled, 2);
  assert.deepEqual(inFlight, roomyInFlight());
});
