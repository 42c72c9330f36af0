import { type Observable, ReplaySubject } from 'rxjs';

/** One method of a port. What it is called with is a stream, so it can be drawn; each call is answered as drawn. */
export interface DrawnCalls<A extends readonly unknown[]> {
  /** What each call asked for, in words, when it was made. Never completes. */
  readonly asked: Observable<string>;
  readonly call: (...asked: A) => Observable<never>;
}

/**
 * A port's method that answers the first call with the first answer, and so on; the last answer is given again and again.
 * An answer that is an Error is thrown.
 */
export function drawnCalls<A extends readonly unknown[]>(
  wordsOf: (...asked: A) => string,
  ...answers: readonly (Observable<unknown> | Error)[]
): DrawnCalls<A> {
  const asked = new ReplaySubject<string>();
  let calls = 0;
  const call = (...what: A): Observable<never> => {
    const answer = answers[Math.min(calls, answers.length - 1)];
    calls += 1;
    asked.next(wordsOf(...what));
    if (answer === undefined) throw new Error('a call without an answer');
    if (answer instanceof Error) throw answer;
    return answer as Observable<never>;
  };
  return { asked, call };
}

/** Waits that are certain: so long after the first failure, doubled up to `maxMs`. */
export function steadyBackoff(
  firstMs: number,
  maxMs = firstMs,
): { firstMs: number; maxMs: number; random: () => number } {
  return { firstMs, maxMs, random: () => 1 };
}

/** What a stage reports, as a stream of the words that `wordsOf` finds for an event; null leaves it out. Never completes. */
export function drawnReports<E>(wordsOf: (event: E) => string | null): {
  readonly reported: Observable<string>;
  readonly report: (event: E) => void;
} {
  const reported = new ReplaySubject<string>();
  const report = (event: E): void => {
    const words = wordsOf(event);
    if (words !== null) reported.next(words);
  };
  return { reported, report };
}

/** A subscription that ends after so many milliseconds, drawn. */
export function until(ms: number): string {
  return `^ ${ms}ms !`;
}
