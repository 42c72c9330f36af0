import { setTimeout as delay } from 'node:timers/promises';

/** Time, so that tests can have their own. */
export interface Clock {
  /** Milliseconds; never goes back. */
  now(): number;
  pause(ms: number): Promise<unknown>;
}

export const wallClock: Clock = { now: () => performance.now(), pause: delay };
