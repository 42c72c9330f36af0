import assert from 'node:assert/strict';
import { test } from 'node:test';
import { map, type Observable } from 'rxjs';
import { latestPerKey } from '../src/operators/latest-per-key.ts';
import { sizeOf } from '../src/pipeline/change.ts';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import { InFlight } from '../src/pipeline/position.ts';
import { changeOf } from './change-words.ts';
import { foldOptions, foldWords, index } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { wordLog } from './word-log.ts';

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

test('a batch that passes a cap is folded whole: its keys do not straddle two windows', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-2---|', { 1: 'a1', 2: 'b2 c3 b4 a5' });
    //                     -----|   windowMs = 6, maxKeys = 2
    const windows = '      --x---|';
    expectObservable(records.pipe(foldWords({ scheduler, maxKeys: 2 }))).toBe(windows, { x: 'a5 b4 c3' });
  });
});

test('at a cap with every slot busy keys fold on, and nothing is taken before a slot is free', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-2-3-4---------|', { 1: 'a1', 2: 'a2 b3', 3: 'b4', 4: 'c5 a6' });
    //                     -----|-----|----   windowMs = 6, maxKeys = 1
    const busy = cold('    --------|');
    const answered = ['    ^-------!', '--------^-------!'];
    const windows = '      x-------y-------|';
    const into = index(1, () => busy);
    const values = { x: 'a1', y: 'a6 b4 c5' };
    expectObservable(records.pipe(foldWords({ scheduler, into, maxKeys: 1 }))).toBe(windows, values);
    expectSubscriptions(busy.subscriptions).toBe(answered);
  });
});

test('a window of many keys leaves batch after batch, without a wait for the next window', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const keyOf = (i: number): string =>
      [...i.toString(26)].map((digit) => String.fromCharCode(97 + parseInt(digit, 26))).join('');
    const words = Array.from({ length: 5100 }, (_, i) => `${keyOf(i)}${i + 1}`).join(' ');
    const records = hot('  1-----------------|', { 1: words });
    //                     -----|-----|-----|-   windowMs = 6, 1000 documents a batch
    const answer = cold('        -|');
    const batches = '      ------xxxxxy------|';
    const into = index(1, () => answer);
    const sizes = records.pipe(
      foldWords({ scheduler, into, maxKeys: 10_000, maxBytes: 16 << 20 }),
      map((batch) => batch.split(' ').length),
    );
    expectObservable(sizes).toBe(batches, { x: 1000, y: 100 });
  });
});
