import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, endWith, ignoreElements, map, timer } from 'rxjs';
import type { Entry } from '../src/operators/fold.ts';
import type { DedupedBatch } from '../src/operators/latest-per-key.ts';
import { foldWords, heldIndex, index, parkingStore } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

test('a key that the index does not take is parked after so many windows, and its neighbours are not', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1------2------------------|', { 1: 'a1 c2', 2: 'b3' });
    //                     -----|-----|-----|-----|--    windowMs = 6, parked after 3
    const answer = cold('        -----|');
    //                                [ held for 8  a1 is refused, c2 taken
    const batches = '      ------x------------y------|';
    const parking = cold('                   --|');
    const parkings = '     ------------------^-!';
    const positions = '    0-------------------2---3--';
    const { calls, park } = parkingStore(scheduler, parking);
    const takes = (batch: DedupedBatch, { change }: Entry): boolean => {
      if (change.key === 'a') batch.hold(batch.table, 8);
      return change.key !== 'a';
    };
    const into = index(1, () => answer, takes);
    const folded = records.pipe(foldWords({ scheduler, log, into, park, parkAfterWindows: 3 }));
    expectObservable(folded).toBe(batches, { x: 'a1 c2', y: 'b3' });
    expectObservable(log.positions(scheduler), `^ 26ms !`).toBe(positions, [0, 1, 2, 3]);
    expectSubscriptions(parking.subscriptions).toBe(parkings);
    expectObservable(records.pipe(ignoreElements(), endWith(calls))).toBe('26ms (x|)', { x: ['18: a1 from 0'] });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('an index that takes nothing for so many windows has all its keys parked', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------2-------|', { 1: 'a1', 2: 'b2' });
    //                     -----|-----|----    windowMs = 6, parked after 2
    const batches = '      ------x--------|';
    const positions = '    0-------------2-';
    const { calls, park } = parkingStore(scheduler, cold('--|'));
    const options = { scheduler, log, into: heldIndex(), park, parkAfterWindows: 2 };
    expectObservable(records.pipe(foldWords(options))).toBe(batches, { x: 'a1' });
    expectObservable(log.positions(scheduler), '^ 15ms !').toBe(positions, [0, 1, 2]);
    expectObservable(records.pipe(ignoreElements(), endWith(calls))).toBe('15ms (x|)', {
      x: ['12: a1 from 0, b2 from 1'],
    });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('keys that the store does not take go back into the fold, and are parked at the next window', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-------------2-----|', { 1: 'a1', 2: 'a2' });
    //                     -----|-----|-----|---    windowMs = 6, parked after 2
    const parkings = [
      '                    ------------^!', //     the store errs, a1 is folded on: a2 replaces it
      '                    ------------------^!',
    ];
    const positions = '    0------------------2';
    const failing = cold('             -#');
    const parking = cold('                   -|');
    const { calls, park } = parkingStore(scheduler, failing, parking);
    const options = { scheduler, log, into: heldIndex(), park, parkAfterWindows: 2 };
    expectObservable(records.pipe(foldWords(options))).toBe('------x-------------|', { x: 'a1' });
    expectObservable(log.positions(scheduler), '^ 20ms !').toBe(positions, [0, 1, 2]);
    expectSubscriptions(failing.subscriptions).toBe(parkings[0] ?? '');
    expectSubscriptions(parking.subscriptions).toBe(parkings[1] ?? '');
    expectObservable(records.pipe(ignoreElements(), endWith(calls))).toBe('20ms (x|)', {
      x: ['12: a1 from 0', '18: a2 from 0'],
    });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a store that throws is a store that does not take keys', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1----------------|', { 1: 'a1' });
    //                     -----|-----|-----|     windowMs = 6, parked after 1, held for 5
    const batches = '      ------x----x-----|';
    const park = (): never => {
      throw new Error('not connected');
    };
    let tries = 0;
    const takes = (batch: DedupedBatch): boolean => {
      batch.hold(null, 5);
      tries += 1;
      return tries > 1;
    };
    const options = { scheduler, into: index(1, () => EMPTY, takes), park, parkAfterWindows: 1 };
    expectObservable(records.pipe(foldWords(options))).toBe(batches, { x: 'a1' });
  });
});

test('a newer change is folded while its key is being parked, and replaces the parked one', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------------2--------|', { 1: 'a1', 2: 'a2' });
    //                     -----|-----|-----|-----   windowMs = 6, parked after 2
    //                                 ----|         a1 is parked: the position passes it, not a2
    //                                       ----|   a2
    const positions = '    0---------------1-----2-';
    const { calls, park } = parkingStore(scheduler, cold('----|'), cold('----|'));
    const options = { scheduler, log, into: heldIndex(), park, parkAfterWindows: 2 };
    expectObservable(records.pipe(foldWords(options))).toBe('------x---------------|', { x: 'a1' });
    expectObservable(log.positions(scheduler), '^ 23ms !').toBe(positions, [0, 1, 2]);
    expectObservable(records.pipe(ignoreElements(), endWith(calls))).toBe('22ms (x|)', {
      x: ['12: a1 from 0', '18: a2 from 1'],
    });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('what is unsettled at the drain deadline is parked, again and again until the store takes it', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-2|', { 1: 'a1', 2: 'b2' });
    //                     -----|-----|-----   windowMs = 6, drainMs = 5
    const batches = '      ---x---------|';
    const positions = '    0------------2';
    const { calls, park } = parkingStore(scheduler, cold('-#'), cold('-|'));
    const options = { scheduler, log, into: heldIndex(), park, drainMs: 5 };
    expectObservable(records.pipe(foldWords(options))).toBe(batches, { x: 'a1 b2' });
    expectObservable(log.positions(scheduler), '^ 14ms !').toBe(positions, [0, 1, 2]);
    expectObservable(timer(14, scheduler).pipe(map(() => calls))).toBe('14ms (x|)', {
      x: ['8: a1 from 0, b2 from 1', '12: a1 from 0, b2 from 1'],
    });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a key that joined an older one while the store was away is parked once', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------23----------|', { 1: 'a1 c4', 2: 'b5', 3: 'a6' });
    //                     -----|-----|-----|--   windowMs = 6, parked after 2
    const answer = cold('        ----|');
    //                               [ held; c4 is taken, a1 joins a6, which came after b5
    const positions = '    0------------------6';
    const { calls, park } = parkingStore(scheduler, cold('#'), cold('(|)'));
    const takes = (batch: DedupedBatch, { change }: Entry): boolean => {
      batch.hold(null, 1000);
      return change.key === 'c';
    };
    const options = { scheduler, log, into: index(1, () => answer, takes), park, parkAfterWindows: 2 };
    expectObservable(records.pipe(foldWords(options))).toBe('------x------------|', { x: 'a1 c4' });
    expectObservable(log.positions(scheduler), '^ 19ms !').toBe(positions, [0, 1, 2, 3, 4, 5, 6]);
    expectObservable(records.pipe(ignoreElements(), endWith(calls))).toBe('19ms (x|)', {
      x: ['12: a6 from 0', '18: a6 from 0, b5 from 4'],
    });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('unsubscribing ends a parking, and leaves no timer of the drain', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-----|', { 1: 'a1 b2' });
    const until = '        ^--------!';
    //                     -----|---    windowMs = 6, parked after 1
    const parking = cold('       -----|');
    const parkings = '     ------^--!';
    const { park } = parkingStore(scheduler, parking);
    const drainMs = 24 * 3_600_000;
    const options = { scheduler, into: heldIndex(), park, parkAfterWindows: 1, drainMs };
    expectObservable(records.pipe(foldWords(options)), until).toBe('------x---', { x: 'a1 b2' });
    expectSubscriptions(parking.subscriptions).toBe(parkings);
  });
});

test('unsubscribing leaves no timer of a hold', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-----', { 1: 'a1' });
    const until = '        ^--------!';
    const takes = (batch: DedupedBatch): boolean => {
      batch.hold(null, 24 * 3_600_000);
      return false;
    };
    const into = index(1, () => EMPTY, takes);
    expectObservable(records.pipe(foldWords({ scheduler, into })), until).toBe('------x---', { x: 'a1' });
  });
});
