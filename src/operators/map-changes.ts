import { type MonoTypeOperatorFunction, map } from 'rxjs';
import type { Change, ChangeBatch } from '../pipeline/change.ts';

/**
 * Replaces each change by what `project` returns for it; null leaves it out. The batch keeps its ticket and its order.
 *
 * Delivery: `project` must be a pure function of the change: it runs again on every replay, and its result must be the same.
 * A change that is left out counts as settled. Do not alter `key`, `version` or `ordinal`: they decide order. What it
 * throws ends the stream, with the position before the batch.
 */
export function mapChanges(project: (change: Change) => Change | null): MonoTypeOperatorFunction<ChangeBatch> {
  return map((batch) => ({
    ...batch,
    changes: batch.changes.map((change) => project(change)).filter((change) => change !== null),
  }));
}
