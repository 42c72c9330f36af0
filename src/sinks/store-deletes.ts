import { placeOf, versionOf } from '../pipeline/change.ts';
import type { KeyVersion, Partition, TableLookup } from '../pipeline/ports.ts';
import { tableOfRow } from './store-rows.ts';
import type { JournalShard } from './store-shards.ts';
import type { SqlRow } from './store-sql.ts';

/** The largest offset a version can hold. */
const LAST_OFFSET = 2 ** 44 - 2;

/** One page of `Store.deletesBetween`. The cursor: shard, version and ordinal of the last row of the page. */
export async function deletesBetween(
  shards: readonly JournalShard[],
  lookup: TableLookup,
  partition: Partition,
  range: { from: number; to: number; cursor: string | null; limit: number },
): Promise<{ deletes: KeyVersion[]; cursor: string | null }> {
  const [startShard = 0, startVersion = -1, startOrdinal = -1] = range.cursor?.split('.').map(Number) ?? [];
  const deletes: KeyVersion[] = [];
  for (let index = startShard; index < shards.length; index++) {
    const start =
      index === startShard ? { version: startVersion, ordinal: startOrdinal } : { version: -1, ordinal: -1 };
    let last = start;
    for (const [low, high] of await versionRanges(shards[index] as JournalShard, partition, range)) {
      const limit = range.limit - deletes.length;
      const rows = await newestDeletes(shards[index] as JournalShard, partition, range, { low, high, ...last, limit });
      for (const row of rows) {
        last = { version: Number(row.version), ordinal: Number(row.ordinal) };
        const table = tableOfRow(row, lookup);
        if (table) deletes.push({ table, key: String(row.primary_key), version: last.version });
      }
      if (rows.length === limit) return { deletes, cursor: `${index}.${last.version}.${last.ordinal}` };
    }
  }
  return { deletes, cursor: null };
}

/** The offsets as versions: one range in each epoch that has deletes of the partition. */
async function versionRanges(
  { database, table }: JournalShard,
  { topic, partition }: Partition,
  { from, to }: { from: number; to: number },
): Promise<[number, number][]> {
  const edges = await database.run(
    `SELECT MIN(version) AS low, MAX(version) AS high FROM ${table} WHERE topic = ? AND partition_no = ? AND is_delete = 1`,
    [topic, partition],
  );
  const { low = null, high = null } = edges.rows[0] ?? {};
  if (low === null || high === null || to <= from) return [];
  const first = Math.max(0, from);
  const last = Math.min(to - 1, LAST_OFFSET);
  const ranges: [number, number][] = [];
  for (let epoch = placeOf(Number(low)).epoch; epoch <= placeOf(Number(high)).epoch; epoch++)
    ranges.push([versionOf(epoch, first), versionOf(epoch, last)]);
  return ranges;
}

async function newestDeletes(
  { database, table }: JournalShard,
  { topic, partition }: Partition,
  { from, to }: { from: number; to: number },
  page: { low: number; high: number; version: number; ordinal: number; limit: number },
): Promise<readonly SqlRow[]> {
  const { rows } = await database.run(
    `SELECT j.database_name, j.table_name, j.primary_key, j.version, j.ordinal FROM ${table} j
     WHERE j.topic = ? AND j.partition_no = ? AND j.is_delete = 1 AND j.version >= ? AND j.version <= ?
       AND (j.version > ? OR (j.version = ? AND j.ordinal > ?))
       AND NOT EXISTS (SELECT 1 FROM ${table} n
         WHERE n.table_name = j.table_name AND n.primary_key = j.primary_key AND n.version >= j.version
           AND (n.version > j.version OR n.ordinal > j.ordinal) AND n.topic = j.topic AND n.partition_no = j.partition_no
           AND n.record_offset >= ? AND n.record_offset < ?)
     ORDER BY j.version, j.ordinal LIMIT ${Math.trunc(page.limit)}`,
    [topic, partition, Math.max(page.low, page.version), page.high, page.version, page.version, page.ordinal, from, to],
  );
  return rows;
}
