import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, defer, ignoreElements, NEVER, type Observable, of, timer } from 'rxjs';
import { backoffMs, LONGEST_WAIT_MS, untilDone } from '../src/operators/backoff.ts';
import { bulkWords, drawnIndex, outcomesOf } from './bulk-index-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';

const attempts = fc.integer({ min: 1, max: 2000 });
const shares = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const firstMs = fc.integer({ min: 1, max: 5000 });
const maxMs = fc.integer({ min: 1, max: 600_000 });

test('the longest wait doubles with each attempt, up to the cap, and chance takes any share of it', () => {
  fc.assert(
    fc.property(attempts, firstMs, maxMs, shares, (attempt, first, max, share) => {
      const ceiling = Math.min(max, first * 2 ** (attempt - 1));
      const waitMs = backoffMs(attempt, { firstMs: first, maxMs: max, random: () => share });
      assert.ok(Number.isInteger(waitMs), `${waitMs} ms`);
      assert.ok(waitMs >= ceiling * share && waitMs - ceiling * share <= 1 && waitMs <= max, `${waitMs} ms`);
    }),
  );
});

test('waits 200 ms at most after the first attempt and 10 s after many, unless told otherwise', () => {
  const random = (): number => 1;
  const waits = [1, 2, 3, 4, 5, 6, 7, 100].map((attempt) => backoffMs(attempt, { random }));
  assert.deepEqual(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, LONGEST_WAIT_MS]);
});

test('waits differ: those who failed together do not come back together', () => {
  const waits = Array.from({ length: 100 }, () => backoffMs(10));
  assert.ok(new Set(waits).size > 50, `${waits}`);
  assert.ok(waits.every((waitMs) => waitMs >= 0 && waitMs <= LONGEST_WAIT_MS));
});

test('a call is repeated until it succeeds, and each failure is told', () => {
  inVirtualTime(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const failing = cold('   --#');
    const succeeding = cold('            -r|');
    //                       --[2]--[ 4]-        the call, then the wait
    const calls = [failing, failing, succeeding];
    const told: string[] = [];
    const done = untilDone(() => calls.shift() ?? of('too often'), scheduler, {
      firstMs: 2,
      random: () => 1,
      onFailure: (error, attempt) => told.push(`${scheduler.now()}: ${attempt}, ${error}`),
    });
    expectObservable(done).toBe('-----------r|');
    expectSubscriptions(failing.subscriptions).toBe(['^-!', '----^-!']);
    expectSubscriptions(succeeding.subscriptions).toBe('----------^-!');
    scheduler.schedule(() => assert.deepEqual(told, ['2: 1, error', '6: 2, error']), 12);
  });
});

test('a call that throws has failed like one that errs', () => {
  inVirtualTime(({ expectObservable, scheduler }) => {
    let calls = 0;
    const call = () => {
      calls += 1;
      if (calls < 3) throw new Error('not connected');
      return ['r'];
    };
    expectObservable(untilDone(call, scheduler, { firstMs: 2, random: () => 1 })).toBe('------(r|)');
  });
});

test('a call that fails at once is not repeated at once, whatever chance says', () => {
  inVirtualTime(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const failing = cold('#');
    const until = '       ^---!';
    let calls = 0;
    const call = (): Observable<string> => {
      calls += 1;
      return calls > 10 ? NEVER : failing;
    };
    expectObservable(untilDone(call, scheduler, { random: () => 0 }), until).toBe('-');
    expectSubscriptions(failing.subscriptions).toBe(['(^!)', '-(^!)', '--(^!)', '---(^!)']);
  });
});

test('unsubscribing ends the call or the wait', () => {
  inVirtualTime(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const failing = cold('--#');
    const options = { firstMs: 2, random: () => 1 };
    const inCall = '      ^----!';
    const inWait = '      ^--!';
    expectObservable(
      untilDone(() => failing, scheduler, options),
      inCall,
    ).toBe('-');
    expectObservable(
      untilDone(() => failing, scheduler, options),
      inWait,
    ).toBe('-');
    expectSubscriptions(failing.subscriptions).toBe(['^-!', '^-!', '----^!']);
  });
});

test('nothing is called before somebody subscribes, and each subscriber has calls of its own', () => {
  inVirtualTime(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const answer = cold('--r|');
    const done = untilDone(() => answer, scheduler);
    const late = defer(() => done);
    expectObservable(done).toBe('     --r|');
    expectObservable(late, '---^').toBe('-----r|');
    expectSubscriptions(answer.subscriptions).toBe(['^--!', '---^--!']);
  });
});

test('the index is never asked again before its Retry-After has passed, nor before the back-off has', () => {
  const waits = fc.integer({ min: 0, max: 40 });
  fc.assert(
    fc.property(waits, fc.integer({ min: 1, max: 20 }), shares, (retryAfterMs, first, share) => {
      inVirtualTime(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
        const busy = cold('(r|)', { r: outcomesOf(`wait${retryAfterMs}`) });
        const taken = cold('(r|)', { r: outcomesOf('done') });
        const { index } = drawnIndex(busy, taken);
        const backoff = { firstMs: first, random: () => share };
        const waitMs = Math.max(retryAfterMs, Math.ceil(first * share));
        const settled = `${2 + waitMs}ms x 100ms |`;
        const records = concat(of('a1'), timer(2 + waitMs + 101, scheduler).pipe(ignoreElements()));
        expectObservable(records.pipe(bulkWords({ scheduler, index, backoff }))).toBe(settled, { x: 'a1' });
        expectSubscriptions(taken.subscriptions).toBe(`${2 + waitMs}ms (^!)`);
      });
    }),
  );
});
