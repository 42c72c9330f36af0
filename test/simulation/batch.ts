import type { Profile } from './profile.ts';
import { type RunResult, simulate } from './run.ts';
import { Sometimes } from './sometimes.ts';

export interface Batch {
  readonly runs: number;
  readonly failures: readonly RunResult[];
  readonly sometimes: Sometimes;
  /** Longest way back to rest, milliseconds of virtual time. */
  readonly longestRestMs: number;
  readonly steps: number;
}

export interface BatchOptions {
  /** Seed of the first run; the next ones follow. */
  readonly seed: number;
  readonly adjust?: (profile: Profile) => Profile;
  /** Asked before each run with the number of runs so far and what has failed. */
  readonly isOver: (runs: number, failures: readonly RunResult[]) => boolean;
}

/** Runs seed after seed. */
export async function runBatch({ adjust, isOver, seed }: BatchOptions): Promise<Batch> {
  const failures: RunResult[] = [];
  const sometimes = new Sometimes();
  let longestRestMs = 0;
  let runs = 0;
  let steps = 0;
  while (!isOver(runs, failures)) {
    const result = await simulate(seed + runs, adjust === undefined ? {} : { adjust });
    runs += 1;
    steps += result.steps;
    longestRestMs = Math.max(longestRestMs, result.restMs);
    sometimes.add(result.sometimes);
    if (result.violations.length > 0) failures.push(result);
  }
  return { runs, failures, sometimes, longestRestMs, steps };
}
