import type { Outcome } from '../pipeline/ports.ts';
import type { Entry } from './fold.ts';

/** Entries of one request by what becomes of them next. */
export interface OutcomeGroups {
  readonly delivered: Entry[];
  readonly conflicts: number;
  readonly rejected: { entry: Entry; errorType: string; detail: string }[];
  readonly halves: Entry[];
  readonly held: Entry[];
  /** The widest hold among them. */
  readonly hold: { scope: 'index' | 'all'; errorType: string } | null;
  readonly failed: Entry[];
  /** Of the failed: the last error type, whether any was an overload, the longest wait the server asked for. */
  readonly failure: { errorType: string; isOverload: boolean; retryAfterMs: number };
}

/** Nothing is known about this write: it is sent again. */
export const UNKNOWN: Outcome = { kind: 'retry', errorType: 'unknown', isOverload: false, retryAfterMs: null };

/** Sorts entries by their outcomes, which line up with them; a missing outcome counts as unknown. */
export function groupOutcomes(entries: readonly Entry[], outcomes: readonly Outcome[]): OutcomeGroups {
  const delivered: Entry[] = [];
  const rejected: OutcomeGroups['rejected'] = [];
  const halves: Entry[] = [];
  const held: Entry[] = [];
  const failed: Entry[] = [];
  const failure = { errorType: '', isOverload: false, retryAfterMs: 0 };
  let conflicts = 0;
  let hold: OutcomeGroups['hold'] = null;
  for (const [i, entry] of entries.entries()) {
    const outcome = outcomes[i] ?? UNKNOWN;
    switch (outcome.kind) {
      case 'done':
        delivered.push(entry);
        if (outcome.conflict) conflicts += 1;
        break;
      case 'reject':
        rejected.push({ entry, errorType: outcome.errorType, detail: outcome.detail });
        break;
      case 'split':
        // One document alone has no halves: it is the culprit.
        if (entries.length > 1) halves.push(entry);
        else rejected.push({ entry, errorType: outcome.errorType, detail: outcome.errorType });
        break;
      case 'hold':
        held.push(entry);
        if (hold?.scope !== 'all') hold = { scope: outcome.scope, errorType: outcome.errorType };
        break;
      case 'retry':
        failed.push(entry);
        failure.errorType = outcome.errorType;
        failure.isOverload ||= outcome.isOverload;
        failure.retryAfterMs = Math.max(failure.retryAfterMs, outcome.retryAfterMs ?? 0);
        break;
    }
  }
  return { delivered, conflicts, rejected, halves, held, hold, failed, failure };
}
