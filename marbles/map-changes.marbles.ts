import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapChanges } from '../src/operators/map-changes.ts';
import type { Change } from '../src/pipeline/change.ts';
import { tableNamed } from './change-words.ts';
import { until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { wordsThrough } from './own-operators.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

/** Sends a row to the index `copies`. */
function copied(change: Change): Change {
  return { ...change, table: tableNamed('copies') };
}

test('each change is replaced by what it is projected to, in its batch and in order', () => {
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  -1--2(34)-|', { 1: 'a1 -b2 a3', 2: 'c4', 3: '', 4: 'a6' });
    const subscribed = '   ^---------!';
    const batches = '      -1--2(34)-|';
    const values = { 1: 'copies.a1 -copies.b2 copies.a3', 2: 'copies.c4', 3: '', 4: 'copies.a6' };
    const log = wordLog();
    expectObservable(records.pipe(wordsThrough(mapChanges(copied), log))).toBe(batches, values);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
    expectObservable(log.positions(scheduler), until(11)).toBe('03--46-----', [0, 1, 2, 3, 4, 5, 6]);
  });
});

test('a change that is left out counts as settled, and so does a batch of which nothing is left', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1--2----|', { 1: 'a1 b2', 2: 'b3 b4' });
    const batches = '      -1--e----|';
    const positions = '    02--4-----';
    const withoutB = mapChanges((change) => (change.key === 'b' ? null : change));
    expectObservable(records.pipe(wordsThrough(withoutB, log))).toBe(batches, { 1: 'a1', e: '' });
    expectObservable(log.positions(scheduler), until(10)).toBe(positions, [0, 1, 2, 3, 4]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a projection that throws ends the stream, with the position before its batch', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  -1--2--3--|', { 1: 'a1', 2: 'a2 b3 c4', 3: 'a5' });
    const subscribed = '   ^---!';
    const batches = '      -1--#';
    const positions = '    01----------';
    const error = new TypeError('no such column');
    const strict = mapChanges((change) => {
      if (change.key === 'b') throw error;
      return change;
    });
    expectObservable(records.pipe(wordsThrough(strict, log))).toBe(batches, { 1: 'a1' }, error);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
    expectObservable(log.positions(scheduler), until(12)).toBe(positions, [0, 1]);
  });
});

test('a projection is given the change and nothing else', () => {
  const given: number[] = [];
  inVirtualTime(({ hot, expectObservable }) => {
    const records = hot('  -1-|', { 1: 'a1 b2' });
    const batches = '      -1-|';
    const counting = mapChanges((...all: [Change]) => {
      given.push(all.length);
      return all[0];
    });
    expectObservable(records.pipe(wordsThrough(counting))).toBe(batches, { 1: 'a1 b2' });
  });
  assert.deepEqual(given, [1, 1]);
});

test('an error of the source passes, a silent one gives nothing, an empty one completes, and unsubscribing releases it', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const failing = hot('  -1-#', { 1: 'a1' });
    const endless = hot('  -1--2--', { 1: 'a1', 2: 'a2' });
    const subscribed = '   ^--!';
    expectObservable(failing.pipe(wordsThrough(mapChanges(copied)))).toBe('-1-#', { 1: 'copies.a1' });
    expectObservable(endless.pipe(wordsThrough(mapChanges(copied))), subscribed).toBe('-1', { 1: 'copies.a1' });
    expectSubscriptions(endless.subscriptions).toBe(subscribed);
    expectObservable(hot('-').pipe(wordsThrough(mapChanges(copied))), until(9)).toBe('-');
    expectObservable(cold('|').pipe(wordsThrough(mapChanges(copied)))).toBe('|');
  });
});
