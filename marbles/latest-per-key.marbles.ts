import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bufferTime, defer, filter, from, groupBy, last, map, mergeMap, toArray } from 'rxjs';
import { latestPerKey } from '../src/operators/latest-per-key.ts';
import { documentOf } from '../src/pipeline/json-document.ts';
import { changeOf, changesOf, wordsOf } from './change-words.ts';
import { foldOptions, foldWords, index } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { wordLog } from './word-log.ts';

test('emits the newest change of each key when the window closes', () => {
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-2--3---4---|', { 1: 'a1 b2', 2: 'a3', 3: 'c4', 4: 'b5' });
    const subscribed = '   ^------------!';
    //                     -----|-----|-      windowMs = 6
    const windows = '      ------x-----y|';
    expectObservable(records.pipe(foldWords({ scheduler }))).toBe(windows, { x: 'a3 b2 c4', y: 'b5' });
    expectSubscriptions(records.subscriptions).toBe(subscribed);
  });
});

test('emits what bufferTime(3000), groupBy and last emit', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('   1 999ms 2 999ms 3 1499ms 4 5999ms 5 499ms |', {
      1: 'a1 b2',
      2: 'a3',
      3: 'c4 a5',
      4: 'b6 b7',
      5: 'a8',
    });
    //                     |1       2       3        |4           |idle  |5      end
    const windows = '       3s                       x 2999ms     y 3999ms       (z|)';
    const values = { x: 'a5 b2 c4', y: 'b7', z: 'a8' };
    const rxjs = records.pipe(
      bufferTime(3000, scheduler),
      map((batches) => batches.flatMap(changesOf)),
      mergeMap((changes) =>
        from(changes).pipe(
          groupBy((change) => change.key),
          mergeMap((ofOneKey) => ofOneKey.pipe(last())),
          toArray(),
        ),
      ),
      filter((window) => window.length > 0),
      map(wordsOf),
    );
    expectObservable(records.pipe(foldWords({ scheduler, windowMs: 3000 }))).toBe(windows, values);
    expectObservable(rxjs).toBe(windows, values);
  });
});

test('emits nothing for an idle window and for a batch without changes', () => {
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  --0----------------1--', { 0: '', 1: 'a2' });
    const subscribed = '   ^---------------------!';
    //                     -----|-----|-----|-----   windowMs = 6
    const windows = '      -----------------------';
    expectObservable(records.pipe(foldWords({ scheduler })), subscribed).toBe(windows);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
  });
});

test('emits nothing while the source says nothing, and completes with an empty one', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const never = hot('    -');
    const empty = cold('   |');
    expectObservable(never.pipe(foldWords({ scheduler })), '^ 20ms !').toBe('-');
    expectObservable(empty.pipe(foldWords({ scheduler }))).toBe('|');
  });
});

test('a change on the very edge of the window is in it', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-----23----|', { 1: 'a1', 2: 'a2', 3: 'a3' });
    //                     -----|-----|
    const windows = '      ------x-----(y|)';
    expectObservable(records.pipe(foldWords({ scheduler }))).toBe(windows, { x: 'a2', y: 'a3' });
  });
});

test('an older version never replaces a newer one, and one of the same record does', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const same = { ...changeOf('b3'), document: documentOf('{"version":"3, second row"}'), ordinal: 1 };
    const log = wordLog();
    const records = hot('  1--2--|', { 1: 'a5 b3', 2: 'older and same' });
    const batches = records.pipe(
      map((words) => (words === 'a5 b3' ? log.read(words) : { ...log.read(''), changes: [changeOf('a4'), same] })),
      latestPerKey(foldOptions({ scheduler, log, windowMs: 60 })),
      index(),
      map(({ entries }) => entries.map(({ change }) => `${change.key}${change.version}/${change.ordinal}`).join(' ')),
    );
    expectObservable(batches).toBe('------(x|)', { x: 'a5/0 b3/1' });
  });
});

test('the end of the source closes the window, and the stream ends when everything is settled', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-2|', { 1: 'a1', 2: 'b2' });
    //                     ---|           windowMs = 6
    const answer = cold('     -----|');
    const answered = '     ---^----!';
    const windows = '      ---x----|';
    const into = index(1, () => answer);
    expectObservable(records.pipe(foldWords({ scheduler, into }))).toBe(windows, { x: 'a1 b2' });
    expectSubscriptions(answer.subscriptions).toBe(answered);
  });
});

test('an error of the source passes at once, with the open window forgotten and the position where it was', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-2---3-#', { 1: 'a1', 2: 'b2', 3: 'c3' });
    const subscribed = '   ^-------!';
    //                     -----|--     windowMs = 6
    const windows = '      ------x-#';
    expectObservable(records.pipe(foldWords({ scheduler, log }))).toBe(windows, { x: 'a1 b2 c3' });
    expectSubscriptions(records.subscriptions).toBe(subscribed);
  });
  assert.equal(log.log.settled, 3);
});

test('an error of the source leaves the position behind what was folded and not settled', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1------2-#', { 1: 'a1', 2: 'b2' });
    //                     -----|---     windowMs = 6
    const windows = '      ------x--#';
    expectObservable(records.pipe(foldWords({ scheduler, log }))).toBe(windows, { x: 'a1' });
  });
  assert.equal(log.log.settled, 1);
});

test('unsubscribing releases the source, the clock and the batch under way', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-2---3-----', { 1: 'a1', 2: 'b2', 3: 'c3' });
    const until = '        ^--------!';
    //                     -----|---      windowMs = 6
    const answer = cold('        -----|');
    const answered = '     ------^--!';
    const windows = '      ------x---';
    const into = index(1, () => answer);
    expectObservable(records.pipe(foldWords({ scheduler, into })), until).toBe(windows, { x: 'a1 b2 c3' });
    expectSubscriptions(records.subscriptions).toBe(until);
    expectSubscriptions(answer.subscriptions).toBe(answered);
  });
});

test('two subscriptions share nothing', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-2--3------|', { 1: 'a1', 2: 'b2', 3: 'a3' });
    const early = '        ^---------!';
    //                     -----|----       windowMs = 6
    const first = '        ------x';
    const late = '         ----^--------';
    //                     ----|-----|--
    const second = '       ----------y-|';
    const fold = latestPerKey(foldOptions({ scheduler }));
    const folded = defer(() => {
      const { read } = wordLog();
      return records.pipe(
        map(read),
        fold,
        index(),
        map(({ entries }) => wordsOf(entries)),
      );
    });
    expectObservable(folded, early).toBe(first, { x: 'a3 b2' });
    expectObservable(folded, late).toBe(second, { y: 'a3' });
  });
});
