import type { Change, Table } from '../pipeline/change.ts';

/** The newest change of each key of a batch, by version and then by place in the batch: tables together, keys in order of first appearance. */
export function newestPerKey(changes: readonly Change[]): readonly Change[] {
  if (changes.length < 2) return changes;
  const newest = new Map<Table, Map<string, Change>>();
  for (const change of changes) {
    let keys = newest.get(change.table);
    if (keys === undefined) {
      keys = new Map();
      newest.set(change.table, keys);
    }
    const held = keys.get(change.key);
    if (held === undefined || change.version >= held.version) keys.set(change.key, change);
  }
  return [...newest.values()].flatMap((keys) => [...keys.values()]);
}
