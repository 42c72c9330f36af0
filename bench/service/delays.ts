/** How late something was, milliseconds. */
export interface Delays {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Percentiles by nearest rank: each is a delay that was seen. Throws when there is none. */
export function delaysOf(delaysMs: readonly number[]): Delays {
  if (delaysMs.length === 0) throw new Error('no delay was measured');
  const sorted = delaysMs.toSorted((left, right) => left - right);
  const at = (percent: number): number => sorted[Math.ceil((percent / 100) * sorted.length) - 1] as number;
  return { count: sorted.length, p50Ms: at(50), p99Ms: at(99), maxMs: at(100) };
}
