import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplaySubject } from 'rxjs';
import { tapChanges } from '../src/operators/tap-changes.ts';
import { wordsOf } from './change-words.ts';
import { until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { wordsThrough } from './own-operators.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

test('the changes of each batch are observed once, before the batch passes on as it was', () => {
  const log = wordLog();
  const settled: number[] = [];
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  -1--2(34)-|', { 1: 'a1 -b2 a3', 2: 'logs.c4', 3: '', 4: 'a6' });
    const subscribed = '   ^---------!';
    const batches = '      -1--2(34)-|';
    const values = { 1: 'a1 -b2 a3', 2: 'logs.c4', 3: '', 4: 'a6' };
    const observed = new ReplaySubject<string>();
    const observing = tapChanges((changes) => {
      settled.push(log.log.settled);
      observed.next(wordsOf(changes));
    });
    expectObservable(records.pipe(wordsThrough(observing, log))).toBe(batches, values);
    expectObservable(observed).toBe('-1--2(34)', values);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
    expectObservable(log.positions(scheduler), until(11)).toBe('03--46-----', [0, 1, 2, 3, 4, 5, 6]);
  });
  assert.deepEqual(settled, [0, 3, 4, 5]);
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('an observer that throws ends the stream, with the position before its batch', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  -1--2--3--|', { 1: 'a1', 2: 'b2', 3: 'a3' });
    const subscribed = '   ^---!';
    const batches = '      -1--#';
    const positions = '    01----------';
    const error = new Error('the audit log is full');
    const strict = tapChanges((changes) => {
      if (changes.some(({ key }) => key === 'b')) throw error;
    });
    expectObservable(records.pipe(wordsThrough(strict, log))).toBe(batches, { 1: 'a1' }, error);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
    expectObservable(log.positions(scheduler), until(12)).toBe(positions, [0, 1]);
  });
});

test('an error of the source passes, a silent one gives nothing, an empty one completes, and unsubscribing releases it', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const failing = hot('  -1-#', { 1: 'a1' });
    const endless = hot('  -1--2--', { 1: 'a1', 2: 'a2' });
    const subscribed = '   ^--!';
    const observing = tapChanges(() => undefined);
    expectObservable(failing.pipe(wordsThrough(observing))).toBe('-1-#', { 1: 'a1' });
    expectObservable(endless.pipe(wordsThrough(observing)), subscribed).toBe('-1', { 1: 'a1' });
    expectSubscriptions(endless.subscriptions).toBe(subscribed);
    expectObservable(hot('-').pipe(wordsThrough(observing)), until(9)).toBe('-');
    expectObservable(cold('|').pipe(wordsThrough(observing))).toBe('|');
  });
});
