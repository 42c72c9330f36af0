import { type MonoTypeOperatorFunction, map } from 'rxjs';
import type { Change, ChangeBatch } from '../pipeline/change.ts';

/**
 * Lets through the changes that satisfy `predicate`. The batch keeps its ticket, so a batch of which nothing is left still
 * moves the position.
 *
 * Delivery: `predicate` must depend on what never changes in a row's life (its table, its key): a row that passes and
 * later does not would stay in the index as it was. What it throws ends the stream, with the position before the batch.
 */
export function filterChanges(predicate: (change: Change) => boolean): MonoTypeOperatorFunction<ChangeBatch> {
  return map((batch) => ({ ...batch, changes: batch.changes.filter((change) => predicate(change)) }));
}
