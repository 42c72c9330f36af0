import { from, lastValueFrom } from 'rxjs';
import type { Store, StoredPosition } from './ports.ts';
import type { PartitionLog } from './position.ts';

/**
 * Writes where each partition stands at the end of a service, so that the next start can tell whether the log is still
 * the same. What is known of delete checks stays as it is.
 */
export async function saveFinalPositions(
  store: Pick<Store, 'positions' | 'savePositions'>,
  logs: readonly PartitionLog[],
  nowMs: number,
): Promise<void> {
  const known = new Map<string, readonly StoredPosition[]>();
  for (const { topic } of logs) if (!known.has(topic)) known.set(topic, await store.positions(topic));
  const positions = logs.map(({ anchor, partition, settled, topic }): StoredPosition => {
    const before = known.get(topic)?.find((one) => one.partition === partition);
    const fresh = { anchor: null, deletesChecked: 0, candidate: settled, candidateSinceMs: nowMs };
    return { ...fresh, ...before, topic, partition, settled, anchor: anchor ?? before?.anchor ?? null };
  });
  if (positions.length > 0) await lastValueFrom(from(store.savePositions(positions)), { defaultValue: undefined });
}
