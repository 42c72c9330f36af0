import { defer, type Observable, type ObservableInput, retry, type SchedulerLike, timer } from 'rxjs';

export interface BackoffOptions {
  /** Wait before the second attempt, before jitter. Default 200 ms. */
  readonly firstMs?: number;
  /** Longest wait. Default 10 s. */
  readonly maxMs?: number;
  /** 0 to 1, uniform; a parameter so that a test can be certain. */
  readonly random?: () => number;
}

/** Longest wait when none is given, milliseconds. */
export const LONGEST_WAIT_MS = 10_000;

/** How long to wait after the given failed attempt (1, 2, …): exponential with full jitter, in milliseconds. */
export function backoffMs(
  attempt: number,
  { firstMs = 200, maxMs = LONGEST_WAIT_MS, random = Math.random }: BackoffOptions = {},
): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.ceil(ceiling * random());
}

/**
 * Repeats a call until it succeeds, waiting between attempts. For what must become durable before the position may pass:
 * there is no giving up, the position just stays. `onFailure` hears of every failed attempt.
 */
export function untilDone<T>(
  call: () => ObservableInput<T>,
  scheduler: SchedulerLike,
  options: BackoffOptions & { onFailure?: (error: unknown, attempt: number) => void } = {},
): Observable<T> {
  return defer(call).pipe(
    retry({
      delay: (error, attempt) => {
        options.onFailure?.(error, attempt);
        return timer(Math.max(1, backoffMs(attempt, options)), scheduler);
      },
    }),
  );
}
