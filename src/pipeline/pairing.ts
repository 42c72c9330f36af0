import type { DedupedBatch } from '../operators/latest-per-key.ts';
import type { Store } from './ports.ts';

/**
 * Guards "one index, one table, one topic" (delivery.md 1.4): answers null for a batch whose pairing is the registered
 * one, else what stands against it. A changed routing would start offsets at 0, and every write would be refused as old.
 * Pairings never change while a service runs, so each is asked for once.
 */
export function pairingGuard(store: Pick<Store, 'pair'>): (batch: DedupedBatch) => Promise<string | null> {
  const known = new Map<string, string | null>();
  return async ({ entries, table }) => {
    const topics = new Set(entries.flatMap(({ tickets }) => tickets.map(({ topic }) => topic)));
    for (const topic of topics) {
      const name = JSON.stringify([table.index, table.qualified, topic]);
      let refusal = known.get(name);
      if (refusal === undefined) {
        const held = await store.pair(table.index, table.qualified, topic);
        const isSame = held.index === table.index && held.table === table.qualified && held.topic === topic;
        refusal = isSame
          ? null
          : `paired-with-${held.table === table.qualified ? `topic-${held.topic}` : `table-${held.table}`}`;
        known.set(name, refusal);
      }
      if (refusal !== null) return refusal;
    }
    return null;
  };
}
