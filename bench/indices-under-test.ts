import type { Table } from '../src/pipeline/change.ts';
import type { TableLookup } from '../src/pipeline/ports.ts';
import { IndexUnderTest } from './index-under-test.ts';
import type { LoadShape, LoadSummary } from './load.ts';
import { DATABASE, tableNames } from './order-row.ts';

/** The indices of all tables of a load. */
export class IndicesUnderTest {
  private readonly indices: ReadonlyMap<Table, IndexUnderTest>;

  constructor(url: string, lookup: TableLookup, { tables }: LoadShape) {
    this.indices = new Map(
      tableNames(tables).map((name) => {
        const table = lookup(DATABASE, name);
        if (table === null) throw new Error(`table ${name} of the load is not routed`);
        return [table, new IndexUnderTest(url, table)];
      }),
    );
  }

  of(table: Table): IndexUnderTest {
    const index = this.indices.get(table);
    if (index === undefined) throw new Error(`table ${table.qualified} is none of the load`);
    return index;
  }

  async empty(): Promise<void> {
    for (const index of this.indices.values()) await index.empty();
  }

  async remove(): Promise<void> {
    for (const index of this.indices.values()) await index.remove();
  }

  /** Documents written so far to all of them. */
  async writes(): Promise<number> {
    let writes = 0;
    for (const index of this.indices.values()) writes += await index.writes();
    return writes;
  }

  /** Rejects unless each holds exactly what the load left of its table. */
  async check(load: LoadSummary): Promise<void> {
    for (const index of this.indices.values()) await index.check(load);
  }
}
