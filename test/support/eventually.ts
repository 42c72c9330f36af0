import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again and again until the answer is there, and fails with the last reason when `withinMs` have passed.
 * `check` throws or returns undefined/false for "not yet"; anything else is the answer.
 */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  { withinMs = 30_000, everyMs = 50 }: { withinMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let reason: unknown = 'it was not so yet';
  while (performance.now() < deadline) {
    try {
      const answer = await check();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      reason = error;
    }
    await delay(everyMs);
  }
  throw new Error(`${what}: not within ${withinMs} ms`, { cause: reason });
}
