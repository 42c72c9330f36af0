import { concatMap, defer, from, map, type Observable, of, tap } from 'rxjs';
import type { DedupedBatch } from '../operators/latest-per-key.ts';
import type { Table } from './change.ts';
import type { Asked, Store } from './ports.ts';

/** Says what stands against writing a table's changes from a topic to its index; null when nothing does. */
export type PairingRefusal = (table: Table, topic: string) => Observable<string | null>;

/** Claims pairings in the store. They never change while a service runs, so each is asked for once. */
export function pairingRefusals(store: Asked<Pick<Store, 'pair'>>): PairingRefusal {
  const known = new Map<string, string | null>();
  return (table, topic) => {
    const name = JSON.stringify([table.index, table.qualified, topic]);
    const refusal = known.get(name);
    if (refusal !== undefined) return of(refusal);
    return from(store.pair(table.index, table.qualified, topic)).pipe(
      map((held) => {
        const isSame = held.index === table.index && held.table === table.qualified && held.topic === topic;
        if (isSame) return null;
        if (held.table !== table.qualified) return `paired-with-table-${held.table}`;
        return held.index === table.index ? `paired-with-topic-${held.topic}` : `paired-with-index-${held.index}`;
      }),
      tap((found) => known.set(name, found)),
    );
  };
}

/**
 * Guards "one index, one table, one topic" (delivery.md 1.4): answers null for a batch whose pairing is the registered
 * one, else what stands against it. A changed routing would start offsets at 0, and every write would be refused as old.
 */
export function pairingGuard(
  store: Asked<Pick<Store, 'pair'>>,
  refusalOf: PairingRefusal = pairingRefusals(store),
): (batch: DedupedBatch) => Observable<string | null> {
  const firstRefusal = (table: Table, topics: readonly string[]): Observable<string | null> => {
    const [topic, ...others] = topics;
    if (topic === undefined) return of(null);
    return defer(() => refusalOf(table, topic)).pipe(
      concatMap((refusal) => (refusal === null ? firstRefusal(table, others) : of(refusal))),
    );
  };
  return ({ entries, table }) => {
    // A change outlives its ticket when another of its key, of another topic, is waited for.
    const topics = new Set<string>();
    for (const { place, tickets } of entries) {
      topics.add(place.topic);
      for (const { topic } of tickets) topics.add(topic);
    }
    return firstRefusal(table, [...topics]);
  };
}
