import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ignoreElements, interval, map, take, timer } from 'rxjs';
import { changesOf, wordsOf } from './change-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';

test('one character is one millisecond of the scheduler', () => {
  inVirtualTime(({ expectObservable, scheduler }) => {
    const ticks = interval(3, scheduler).pipe(take(3), map(String));
    const drawn = '---0--1--(2|)';
    expectObservable(ticks).toBe(drawn);
  });
});

test('a long time is written in words and costs none', () => {
  inVirtualTime(({ expectObservable, scheduler }) => {
    const late = timer(3_600_000, scheduler).pipe(map(() => scheduler.now()));
    expectObservable(late).toBe('60m (x|)', { x: 3_600_000 });
  });
});

test('a drawing that is not met fails', () => {
  assert.throws(() =>
    inVirtualTime(({ cold, expectObservable }) => {
      expectObservable(cold('--a|')).toBe('-a-|');
    }),
  );
});

test('a stream that never ends fails its drawing and does not hang the run', () => {
  assert.throws(() =>
    inVirtualTime(({ expectObservable, scheduler }) => {
      expectObservable(interval(60_000, scheduler).pipe(ignoreElements())).toBe('1h |');
    }),
  );
});

test('a timer that outlives its stream fails the drawing', () => {
  assert.throws(
    () =>
      inVirtualTime(({ expectObservable, scheduler }) => {
        interval(60_000, scheduler).subscribe();
        expectObservable(timer(5, scheduler).pipe(map(String))).toBe('-----(0|)');
      }),
    /a timer is left/,
  );
});

test('a drawing that expects nothing fails', () => {
  assert.throws(() => inVirtualTime(() => undefined), /expects nothing/);
});

test('words are changes and changes are words', () => {
  const words = 'a1 -b2 logs.a3 -logs.c14';
  const [put, gone, other] = changesOf(words);
  assert.equal(wordsOf(changesOf(words)), words);
  assert.equal(put?.op, 'upsert');
  assert.equal(gone?.op, 'delete');
  assert.equal(other?.table.index, 'logs');
  assert.equal(other?.offset, 2);
});
