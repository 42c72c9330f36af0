import type { Change } from '../../src/pipeline/change.ts';
import type { KeyVersion, Partition } from '../../src/pipeline/ports.ts';

export interface JournalRow extends Partition {
  readonly change: Change;
  readonly createdMs: number;
}

function isNewer(a: Change, b: Change): boolean {
  return a.version > b.version || (a.version === b.version && a.ordinal > b.ordinal);
}

/** In version order, the newest row of each key of a range of offsets, where that row is a delete. */
export function deletesIn(
  rows: Iterable<JournalRow>,
  { topic, partition }: Partition,
  { from, to }: { from: number; to: number },
): KeyVersion[] {
  const newest = new Map<string, Change>();
  for (const row of rows) {
    const { change } = row;
    if (row.partition !== partition || row.topic !== topic || change.offset < from || change.offset >= to) continue;
    const name = `${change.table.qualified}\n${change.key}`;
    const known = newest.get(name);
    if (known === undefined || isNewer(change, known)) newest.set(name, change);
  }
  return [...newest.values()].filter(({ op }) => op === 'delete').sort((a, b) => (isNewer(a, b) ? 1 : -1));
}

/** The newest change of a letter's key that is not older than the letter; null when the journal has none. */
export function isOvertakenBy(
  rows: Iterable<JournalRow>,
  { key, tableName, topic, version }: { tableName: string; key: string | null; topic: string; version: number },
): Change | null {
  let newest: Change | null = null;
  for (const { change, topic: rowTopic } of rows) {
    if (rowTopic !== topic || change.table.qualified !== tableName || change.key !== key || change.version < version)
      continue;
    if (newest === null || isNewer(change, newest)) newest = change;
  }
  return newest;
}

/** Ids of the rows that `mayGo`, in version order, but for the newest of each key of which something is owed. */
export function purgeable(
  journal: ReadonlyMap<string, JournalRow>,
  owed: ReadonlySet<string>,
  mayGo: (row: JournalRow) => boolean,
): string[] {
  const newest = new Map<string, number>();
  for (const { change } of journal.values()) {
    const name = `${change.table.qualified}\n${change.key}`;
    newest.set(name, Math.max(change.version, newest.get(name) ?? 0));
  }
  return [...journal]
    .filter(([, row]) => {
      const name = `${row.change.table.qualified}\n${row.change.key}`;
      return mayGo(row) && !(owed.has(name) && newest.get(name) === row.change.version);
    })
    .sort(([, a], [, b]) => (isNewer(a.change, b.change) ? 1 : -1))
    .map(([id]) => id);
}
