import type { Table } from './change.ts';
import type { KeyVersion, Partition } from './ports.ts';

/**
 * Which settled keys the store must be told of, because it may hold a parked body or an open letter of them. Exact while
 * few are known; `unknown` (every key must be told) until a count has said otherwise, and beyond the bound.
 */
export class OwedKeys {
  private readonly partitions = new Map<string, Map<string, number> | 'unknown'>();
  private readonly maxKeys: number;

  /** `maxKeys`: keys remembered per partition, 10,000 by default; about 100 bytes each. */
  constructor(maxKeys = 10_000) {
    this.maxKeys = maxKeys;
  }

  /** The store may hold anything of this partition: said at each assignment, until counted. */
  forget(partition: Partition): void {
    this.partitions.set(nameOf(partition), 'unknown');
  }

  /** The store holds nothing of this partition. */
  none(partition: Partition): void {
    this.partitions.set(nameOf(partition), new Map());
  }

  add(partition: Partition, { table, key, version }: KeyVersion): void {
    const known = this.partitions.get(nameOf(partition));
    if (known === undefined || known === 'unknown') return;
    const name = `${table.index}\n${key}`;
    known.set(name, Math.max(version, known.get(name) ?? 0));
    if (known.size > this.maxKeys) this.partitions.set(nameOf(partition), 'unknown');
  }

  mayOwe(partition: Partition, table: Table, key: string): boolean {
    const known = this.partitions.get(nameOf(partition));
    return known === undefined || known === 'unknown' || known.has(`${table.index}\n${key}`);
  }

  /** The store was told that these versions are settled. A key that owes a newer one goes on owing it. */
  told(partition: Partition, keys: readonly KeyVersion[]): void {
    const known = this.partitions.get(nameOf(partition));
    if (known === undefined || known === 'unknown') return;
    for (const { table, key, version } of keys) {
      const name = `${table.index}\n${key}`;
      if ((known.get(name) ?? 0) <= version) known.delete(name);
    }
  }
}

function nameOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}
