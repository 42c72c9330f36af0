import type { Table } from './change.ts';
import type { KeyVersion, Partition } from './ports.ts';

/**
 * Which settled keys the store must be told of, because it may hold a parked body or an open letter of them. Exact while
 * few are known; `unknown` (every key must be told) until a count has said otherwise, and beyond the bound.
 */
export class OwedKeys {
  private readonly byTopic = new Map<string, Map<number, Owed>>();
  private readonly maxKeys: number;

  /** `maxKeys`: keys remembered per partition, 10,000 by default; about 100 bytes each. */
  constructor(maxKeys = 10_000) {
    this.maxKeys = maxKeys;
  }

  /** The store may hold anything of this partition: said at each assignment, until counted. */
  forget(partition: Partition): void {
    this.owed(partition).versions = null;
  }

  isUnknown(partition: Partition): boolean {
    return this.owed(partition).versions === null;
  }

  /**
   * Taken before the store is asked whether it holds anything, and given to `none` with the answer. Not a number while
   * something is being written: the answer may then be older than what arrives.
   */
  mark(partition: Partition): number {
    const owed = this.owed(partition);
    return owed.writing.size > 0 ? Number.NaN : owed.added;
  }

  /** The store holds nothing of this partition. Ignored when something was added since the mark was taken, or before it and not yet written. */
  none(partition: Partition, mark: number): void {
    const owed = this.owed(partition);
    if (owed.added === mark) owed.versions = new Map();
  }

  add(partition: Partition, { table, key, version }: KeyVersion): void {
    const owed = this.owed(partition);
    owed.added += 1;
    if (owed.versions === null) return;
    const name = nameOf({ table, key });
    owed.versions.set(name, Math.max(version, owed.versions.get(name) ?? 0));
    if (owed.versions.size > this.maxKeys) owed.versions = null;
  }

  /** `write` is on its way to the store and will be repeated, or given up, until `written` is called with it. */
  writing(partition: Partition, key: KeyVersion, write: object): void {
    const { writing } = this.owed(partition);
    const name = nameOf(key);
    const writes = writing.get(name);
    if (writes?.has(write)) return;
    this.add(partition, key);
    if (writes === undefined) writing.set(name, new Set([write]));
    else writes.add(write);
  }

  written(partition: Partition, key: KeyVersion, write: object): void {
    const { writing } = this.owed(partition);
    const name = nameOf(key);
    const writes = writing.get(name);
    if (writes?.delete(write) && writes.size === 0) writing.delete(name);
  }

  /** Whether something of this key is on its way to the store: to settle it there now might come too early. */
  isWriting(partition: Partition, key: { readonly table: Table; readonly key: string }): boolean {
    const { writing } = this.owed(partition);
    return writing.size > 0 && writing.has(nameOf(key));
  }

  mayOwe(partition: Partition, table: Table, key: string): boolean {
    const { versions } = this.owed(partition);
    return versions === null || (versions.size > 0 && versions.has(nameOf({ table, key })));
  }

  /** The store was told that these versions are settled. A key that owes a newer one goes on owing it. */
  told(partition: Partition, keys: readonly KeyVersion[]): void {
    const { versions } = this.owed(partition);
    if (versions === null) return;
    for (const { table, key, version } of keys) {
      const name = nameOf({ table, key });
      if ((versions.get(name) ?? 0) <= version) versions.delete(name);
    }
  }

  private owed({ topic, partition }: Partition): Owed {
    let partitions = this.byTopic.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.byTopic.set(topic, partitions);
    }
    let owed = partitions.get(partition);
    if (owed === undefined) {
      owed = { versions: null, added: 0, writing: new Map() };
      partitions.set(partition, owed);
    }
    return owed;
  }
}

/** `versions` null: unknown. `writing`: the writes under way of each key. */
interface Owed {
  versions: Map<string, number> | null;
  added: number;
  readonly writing: Map<string, Set<object>>;
}

function nameOf({ table, key }: { readonly table: Table; readonly key: string }): string {
  return `${table.index}\n${key}`;
}
