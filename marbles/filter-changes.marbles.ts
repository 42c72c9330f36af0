import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterChanges } from '../src/operators/filter-changes.ts';
import type { Change } from '../src/pipeline/change.ts';
import { until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { wordsThrough } from './own-operators.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

/** Whether a row is of the table `rows`. */
function isOfRows({ table }: Change): boolean {
  return table.name === 'rows';
}

test('changes that satisfy the predicate pass, in their batch and in order', () => {
  inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
    const records = hot('  -1--2(34)-|', { 1: 'a1 logs.b2 -c3 a4', 2: 'b5', 3: '', 4: 'logs.a7 -b8' });
    const subscribed = '   ^---------!';
    const batches = '      -1--2(34)-|';
    const values = { 1: 'a1 -c3 a4', 2: 'b5', 3: '', 4: '-b8' };
    expectObservable(records.pipe(wordsThrough(filterChanges(isOfRows)))).toBe(batches, values);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
  });
});

test('a change that is filtered out counts as settled, and so does a batch of which nothing is left', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1--2----|', { 1: 'logs.a1 b2', 2: 'logs.b3 logs.b4' });
    const batches = '      -1--e----|';
    const positions = '    02--4-----';
    expectObservable(records.pipe(wordsThrough(filterChanges(isOfRows), log))).toBe(batches, { 1: 'b2', e: '' });
    expectObservable(log.positions(scheduler), until(10)).toBe(positions, [0, 1, 2, 3, 4]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a predicate that throws ends the stream, with the position before its batch', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  -1--2--3--|', { 1: 'a1', 2: 'a2 b3 c4', 3: 'a5' });
    const subscribed = '   ^---!';
    const batches = '      -1--#';
    const positions = '    01----------';
    const error = new TypeError('no such table');
    const strict = filterChanges((change) => {
      if (change.key === 'b') throw error;
      return true;
    });
    expectObservable(records.pipe(wordsThrough(strict, log))).toBe(batches, { 1: 'a1' }, error);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
    expectObservable(log.positions(scheduler), until(12)).toBe(positions, [0, 1]);
  });
});

test('a predicate is given the change and nothing else', () => {
  const given: number[] = [];
  inVirtualTime(({ hot, expectObservable }) => {
    const records = hot('  -1-|', { 1: 'a1 b2' });
    const batches = '      -1-|';
    const counting = filterChanges((...all: [Change]) => given.push(all.length) > 0);
    expectObservable(records.pipe(wordsThrough(counting))).toBe(batches, { 1: 'a1 b2' });
  });
  assert.deepEqual(given, [1, 1]);
});

test('an error of the source passes, a silent one gives nothing, an empty one completes, and unsubscribing releases it', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const failing = hot('  -1-#', { 1: 'a1' });
    const endless = hot('  -1--2--', { 1: 'a1', 2: 'a2' });
    const subscribed = '   ^--!';
    expectObservable(failing.pipe(wordsThrough(filterChanges(isOfRows)))).toBe('-1-#', { 1: 'a1' });
    expectObservable(endless.pipe(wordsThrough(filterChanges(isOfRows))), subscribed).toBe('-1', { 1: 'a1' });
    expectSubscriptions(endless.subscriptions).toBe(subscribed);
    expectObservable(hot('-').pipe(wordsThrough(filterChanges(isOfRows))), until(9)).toBe('-');
    expectObservable(cold('|').pipe(wordsThrough(filterChanges(isOfRows)))).toBe('|');
  });
});
