import assert from 'node:assert/strict';
import type { SchedulerLike } from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';

/** What a drawing works with: RxJS's own helpers, and the scheduler to hand to the operator that is drawn. */
export interface VirtualTime extends RunHelpers {
  readonly scheduler: SchedulerLike;
}

/** Virtual milliseconds after which a run is given up: a window that ticks for ever fails its drawing instead of hanging. */
const LONGEST_RUN_MS = 4 * 3_600_000;

/**
 * Runs a drawing in virtual time, where one character is one millisecond, and compares what was expected when it ends.
 *
 * A stream that never ends must be unsubscribed in the drawing, and stop its timers then: a run is stopped after four
 * hours of its time.
 *
 * @throws AssertionError when nothing was expected (RxJS lets such a test pass), or a timer outlives what was drawn.
 */
export function inVirtualTime(draw: (time: VirtualTime) => void): void {
  const scheduler = new TestScheduler((actual, expected) => assert.deepEqual(actual, expected));
  let expectations = 0;
  scheduler.run((helpers) => {
    scheduler.maxFrames = LONGEST_RUN_MS;
    draw({
      ...helpers,
      scheduler,
      expectObservable: (...expected) => {
        expectations += 1;
        return helpers.expectObservable(...expected);
      },
      expectSubscriptions: (...expected) => {
        expectations += 1;
        return helpers.expectSubscriptions(...expected);
      },
    });
  });
  assert.ok(expectations > 0, 'a drawing that expects nothing proves nothing');
  assert.equal(scheduler.actions.length, 0, 'a timer is left that nobody stopped');
}
