import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bufferTime, defer, filter, from, groupBy, last, map, mergeMap, type Observable, toArray } from 'rxjs';
import { latestPerKey } from '../src/operators/latest-per-key.ts';
import { sizeOf } from '../src/pipeline/change.ts';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import { InFlight } from '../src/pipeline/position.ts';
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
    const same = { ...changeOf('b3'), document: '{"version":"3, second row"}', ordinal: 1 };
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

test('keys go on folding while every slot is busy, and the next batch carries the newest', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------2-----3--4---|', { 1: 'a1', 2: 'a2 b3', 3: 'a4', 4: 'c5' });
    //                     -----|-----|-----|-----|  windowMs = 6
    const busy = '               ---------|';
    //                                    ---------|          a2 is due at 12; a4 comes before the slot is free
    //                                             ---------|
    const windows = '      ------x--------y--------z--------|';
    const into = index(1, () => cold(busy));
    const values = { x: 'a1', y: 'a4 b3', z: 'c5' };
    expectObservable(records.pipe(foldWords({ scheduler, into }))).toBe(windows, values);
  });
});

test('one batch at most waits to be subscribed', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-----2-----3----4', { 1: 'a1 logs.a2', 2: 'b3', 3: 'c4', 4: 'd5' });
    const until = '        ^----------------------!';
    //                     -----|-----|-----|-----|  windowMs = 6
    const offered = '      ------x';
    const log = wordLog();
    const due = records.pipe(map(log.read), latestPerKey(foldOptions({ scheduler, log })), map(String));
    expectObservable(due, until).toBe(offered, { x: '[object Object]' });
  });
});

test('a window closes early at the cap on keys, and the clock ticks on', () => {
  const closed: string[] = [];
  const report = (event: PipelineEvent): void => {
    if (event.type === 'window') closed.push(`${event.cause}: ${event.changes} changes, ${event.keys} keys`);
  };
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-2-3----4-----|', { 1: 'a1', 2: 'a2 b3', 3: 'c4', 4: 'd5' });
    //                     -----|-----|---|   windowMs = 6, maxKeys = 2
    const windows = '      --x---y-----z--|';
    const values = { x: 'a2 b3', y: 'c4', z: 'd5' };
    expectObservable(records.pipe(foldWords({ scheduler, report, maxKeys: 2 }))).toBe(windows, values);
  });
  assert.deepEqual(closed, ['cap: 3 changes, 2 keys', 'time: 1 changes, 1 keys', 'time: 1 changes, 1 keys']);
});

test('a window closes early at the cap on bytes', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-2--3--|', { 1: 'a1', 2: 'a2', 3: 'b3' });
    //                     -----|--|   windowMs = 6, maxBytes = two keys
    const windows = '      -----x--|';
    const maxBytes = 2 * sizeOf(changeOf('a1'));
    expectObservable(records.pipe(foldWords({ scheduler, maxBytes }))).toBe(windows, { x: 'a2 b3' });
  });
});

test('refuses a cap on bytes above the in-flight limit', () => {
  inVirtualTime(({ cold, expectObservable, scheduler }) => {
    const log = wordLog({ inFlight: new InFlight({ bytes: 1000, changes: 10 }) });
    assert.throws(() => foldWords({ scheduler, log, maxBytes: 1001 }), {
      name: 'RangeError',
      message: 'maxBytes must not exceed the in-flight limit of 1000, got 1001',
    });
    expectObservable(cold('|').pipe(foldWords({ scheduler, log, maxBytes: 1000 }))).toBe('|');
  });
});

test('each index gets batches of its own, in turn, bounded in documents', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1------------|', { 1: 'a1 logs.a2 b3 logs.b4 c5 d6 e7' });
    //                     -----|-----|-   windowMs = 6, batch.documents = 2
    const windows = '      ------(vwxy)-|';
    const batch = { documents: 2, bytes: 1 << 20 };
    const values = { v: 'a1 b3', w: 'logs.a2 logs.b4', x: 'c5 d6', y: 'e7' };
    expectObservable(records.pipe(foldWords({ scheduler, batch }))).toBe(windows, values);
  });
});

test('a batch is bounded in bytes, and a document above the bound travels alone', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1------2-----|', { 1: 'a1 b2 c3', 2: 'a4' });
    //                     -----|-----|-
    const two = '          ------(xy)--z|';
    const one = '          ------(abc)-z|';
    const fold = (bytes: number): Observable<string> =>
      records.pipe(foldWords({ scheduler, batch: { documents: 9, bytes } }));
    expectObservable(fold(2 * sizeOf(changeOf('a1')))).toBe(two, { x: 'a1 b2', y: 'c3', z: 'a4' });
    expectObservable(fold(1)).toBe(one, { a: 'a1', b: 'b2', c: 'c3', z: 'a4' });
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
