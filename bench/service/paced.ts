import { type Clock, wallClock } from './clock.ts';

export interface PacedOptions {
  /** Rows a second. */
  readonly rate: number;
  /** Rows in all. */
  readonly count: number;
  /** Hands over rows `from` to `to` (exclusive). The next ones wait until it resolves, and are due all the same. */
  send(from: number, to: number): Promise<void>;
  /** Asked again and again; true ends it early. */
  readonly isOver?: () => boolean;
  readonly clock?: Clock;
}

export interface Paced {
  readonly sent: number;
  /** The most a row was handed over after it was due. What sends at this pace must not be what is slow. */
  readonly lateMs: number;
}

/** How long it waits when nothing is due: rows come in groups of so much time. */
export const TICK_MS = 25;

/** When row `row` is due: milliseconds after the first one, which is due at once. */
export function dueMs(row: number, rate: number): number {
  return (row * 1000) / rate;
}

/** Hands over rows at a steady rate. None comes before it is due; who is late catches up, since writers do not wait for readers. */
export async function paced({ clock = wallClock, count, isOver, rate, send }: PacedOptions): Promise<Paced> {
  const startMs = clock.now();
  let sent = 0;
  let lateMs = 0;
  while (sent < count && !isOver?.()) {
    const elapsedMs = clock.now() - startMs;
    const due = Math.min(count, Math.floor((elapsedMs * rate) / 1000) + 1);
    if (due > sent) {
      lateMs = Math.max(lateMs, elapsedMs - dueMs(sent, rate));
      await send(sent, due);
      sent = due;
    }
    if (sent < count) await clock.pause(TICK_MS);
  }
  return { sent, lateMs };
}
