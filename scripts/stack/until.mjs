import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks `check` again and again until it answers something truthy, and returns that answer.
 *
 * @param {string} what what is waited for, as it should read in the error
 * @param {number} seconds the deadline
 * @param {() => unknown | Promise<unknown>} check may throw to say "not yet"
 */
export async function until(what, seconds, check) {
  const deadline = Date.now() + seconds * 1000;
  let lastError;
  for (;;) {
    try {
      const answer = await check();
      if (answer) return answer;
      lastError = undefined;
    } catch (error) {
      if (error.hopeless) throw error;
      lastError = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${seconds} s${lastError ? ` (last answer: ${lastError.message})` : ''}`);
    }
    await delay(50);
  }
}

/** An error that no further waiting can cure. */
export function hopeless(message) {
  return Object.assign(new Error(message), { hopeless: true });
}
