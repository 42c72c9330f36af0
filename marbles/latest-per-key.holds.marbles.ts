import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, endWith, ignoreElements, map, merge, Observable, type SchedulerLike, take, tap, timer } from 'rxjs';
import type { Entry } from '../src/operators/fold.ts';
import { type DedupedBatch, type LatestPerKeyOptions, latestPerKey } from '../src/operators/latest-per-key.ts';
import type { ParkedKey } from '../src/pipeline/ports.ts';
import { wordOf, wordsOf } from './change-words.ts';
import { foldOptions, foldWords, index } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { recoveredPage, roomyInFlight, wordLog } from './word-log.ts';

/** An index of one slot that takes nothing, and is held for longer than any drawing. */
function heldIndex(): ReturnType<typeof index> {
  const takes = (batch: DedupedBatch): boolean => {
    batch.hold(null, 1000);
    return false;
  };
  return index(1, () => EMPTY, takes);
}

/** A store that writes down what is parked, and answers each call as drawn. */
function parkingStore(
  scheduler: SchedulerLike,
  ...answers: Observable<unknown>[]
): { calls: string[]; park: LatestPerKeyOptions['park'] } {
  const calls: string[] = [];
  const park = (keys: readonly ParkedKey[]): Observable<unknown> => {
    const words = keys.map((key) => `${wordOf(key)} from ${key.firstOffset}`).join(', ');
    calls.push(`${scheduler.now()}: ${words}`);
    return answers.shift() ?? EMPTY;
  };
  return { calls, park };
}

test('the hold of one index does not delay another', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-----2-------|', { 1: 'a1 logs.b2', 2: 'a3 logs.b4' });
    //                     -----|-----|-----|   windowMs = 6
    //                           [ rows: 14   ]
    const windows = '      ------(xy)--z-------(w|)';
    const takes = (batch: DedupedBatch): boolean => {
      if (batch.table.name !== 'rows' || scheduler.now() > 6) return true;
      batch.hold(batch.table, 14);
      return false;
    };
    const into = index(4, () => EMPTY, takes);
    const values = { x: 'a1', y: 'logs.b2', z: 'logs.b4', w: 'a3' };
    expectObservable(records.pipe(foldWords({ scheduler, into }))).toBe(windows, values);
  });
});

test('after a hold one batch at a time is tried until the index takes one', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1----------------------|', { 1: 'a1 b2 c3 d4' });
    //                     -----|                        windowMs = 6, one document a batch, two slots
    const answer = cold('        ----|');
    const answered = [
      '                    ------^---!',
      '                    ------^---!',
      //                         [ held for 6 after the answer ]
      '                    ----------------^---!', //                   the first probe
      //                                       [ held for 6 again ]
      '                    --------------------------^---!', //         the second is taken:
      '                    ------------------------------^---!', //     two at a time again
      '                    ------------------------------^---!',
      '                    ----------------------------------^---!',
    ];
    const batches = '      ------(xy)------x---------y---(xz)w---|';
    const takes = (batch: DedupedBatch): boolean => {
      if (scheduler.now() >= 30) return true;
      batch.hold(batch.table, 6);
      return false;
    };
    const into = index(2, () => answer, takes);
    const batch = { documents: 1, bytes: 1 << 20 };
    const values = { x: 'a1', y: 'b2', z: 'c3', w: 'd4' };
    expectObservable(records.pipe(foldWords({ scheduler, into, batch }))).toBe(batches, values);
    expectSubscriptions(answer.subscriptions).toBe(answered);
  });
});

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
    const batches = '      ------x-----x----|';
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

test('a recovered key that the index does not take is let go: the store has it', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const pages = hot('    1------------|', { 1: 'a1 b2' });
    //                     -----|            windowMs = 6
    const freed = '        ------(f|)';
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
      const fold = latestPerKey(foldOptions({ scheduler, log, park, parkAfterWindows: 1 }));
      return page.pipe(fold, heldIndex()).subscribe();
    });
    expectObservable(free).toBe(freed);
    expectObservable(pages.pipe(ignoreElements(), endWith(calls))).toBe('13ms (x|)', { x: [] });
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
