import { type MonoTypeOperatorFunction, tap } from 'rxjs';
import type { Change, ChangeBatch } from '../pipeline/change.ts';

/**
 * Calls `observe` with the changes of each batch, once a batch, and passes the batch on unchanged. What it throws ends
 * the stream, with the position before the batch.
 *
 * Delivery: none. Changes may be observed again after a replay.
 */
export function tapChanges(observe: (changes: readonly Change[]) => void): MonoTypeOperatorFunction<ChangeBatch> {
  return tap((batch) => observe(batch.changes));
}
