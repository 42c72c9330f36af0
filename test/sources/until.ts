import { setTimeout as wait } from 'node:timers/promises';

/** Resolves as soon as the condition holds; rejects with what was awaited when it does not in time (default 20 s). */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 20_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms in vain for: ${what}`);
    await wait(10);
  }
}
