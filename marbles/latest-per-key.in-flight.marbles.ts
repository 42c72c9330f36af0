import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldWords, index, parkingStore } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

test('a key that goes from slot to slot is parked when it comes back, though no window finds it in the fold', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------------------|', { 1: 'a1' });
    //                     -----|-----|-----|---    windowMs = 6, parked after 2
    const answer = () => cold('  ----|'); //        refused each time, and due again at once
    const batches = '      ------x---x--------|';
    const positions = '    0----------------1--';
    const { calls, park } = parkingStore(scheduler, cold('---|'));
    const into = index(1, answer, () => false);
    const folded = records.pipe(foldWords({ scheduler, log, into, park, parkAfterWindows: 2 }));
    expectObservable(folded).toBe(batches, { x: 'a1' });
    expectObservable(log.positions(scheduler), '^ 20ms !').toBe(positions, [0, 1]);
    scheduler.schedule(() => assert.deepEqual(calls, ['14: a1 from 0']), 20);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});
