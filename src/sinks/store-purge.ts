import { timeText } from './store-rows.ts';
import type { JournalShard } from './store-shards.ts';
import { runPerItem, type SqlDatabase, type SqlRow } from './store-sql.ts';

/** What one call may delete, and from before when. */
interface Purge {
  readonly before: string;
  readonly slice: number;
}

/** One call of `Store.purge`: at most `slice` rows of the journal, of the monitor and of the closed letters each. */
export async function purge(
  control: SqlDatabase,
  shards: readonly JournalShard[],
  beforeMs: number,
  slice: number,
): Promise<number> {
  const limits: Purge = { before: timeText(beforeMs), slice: Math.trunc(slice) };
  // A minute at a time and few rows: neither sliced nor counted.
  await control.run('DELETE FROM position_times WHERE minute < ?', [Math.floor(beforeMs / 60_000)]);
  return (
    (await purgeJournal(control, shards, limits)) +
    (await purgeTable(control, 'sync_monitor', 'end_time < ?', limits)) +
    (await purgeTable(control, 'dead_letters', "state = 'closed' AND created_time < ?", limits))
  );
}

async function purgeTable(control: SqlDatabase, table: string, condition: string, { before, slice }: Purge) {
  // Wrapped once more: MySQL refuses LIMIT inside IN, and to read the table that it deletes from.
  const { affected } = await control.run(
    `DELETE FROM ${table} WHERE id IN
       (SELECT id FROM (SELECT id FROM ${table} WHERE ${condition} ORDER BY id LIMIT ${slice}) AS old)`,
    [before],
  );
  return affected;
}

async function purgeJournal(control: SqlDatabase, shards: readonly JournalShard[], purge: Purge): Promise<number> {
  const { rows } = await control.run('SELECT topic, partition_no, deletes_place FROM stream_positions', []);
  let deleted = 0;
  for (const position of rows) {
    for (const shard of shards) {
      for (const isDelete of [0, 1]) {
        if (deleted >= purge.slice) return deleted;
        deleted += await purgeRange(control, shard, position, isDelete, { ...purge, slice: purge.slice - deleted });
      }
    }
  }
  return deleted;
}

/** Goes through a partition's rows below the position in log order, page by page, until a slice is deleted. */
async function purgeRange(
  control: SqlDatabase,
  { database, table }: JournalShard,
  position: SqlRow,
  isDelete: number,
  { before, slice }: Purge,
): Promise<number> {
  const place = Number(position.deletes_place);
  let deleted = 0;
  let last = { version: -1, ordinal: -1 };
  for (;;) {
    // No condition on the time: it would read on to the position for rows that are all too young.
    const { rows } = await database.run(
      `SELECT id, table_name, primary_key, version, ordinal, created_time FROM ${table}
       WHERE topic = ? AND partition_no = ? AND is_delete = ? AND version >= ? AND version <= ?
         AND (version > ? OR ordinal > ?) ORDER BY version, ordinal LIMIT ${slice}`,
      [
        String(position.topic),
        Number(position.partition_no),
        isDelete,
        last.version,
        place,
        last.version,
        last.ordinal,
      ],
    );
    const old = rows.filter((row) => String(row.created_time) < before);
    const kept = await newestOfOwedKeys(control, { database, table }, old);
    const ids = old.filter((row) => !kept(row)).map((row) => Number(row.id));
    const head = `DELETE FROM ${table} WHERE`;
    deleted += (await runPerItem(database, { head, condition: 'id = ?' }, ids, (id) => [id])).affected;
    const end = rows.at(-1);
    if (deleted > 0 || end === undefined || rows.length < slice || old.length < rows.length) return deleted;
    last = { version: Number(end.version), ordinal: Number(end.ordinal) };
  }
}

/** Tells of rows whether each is the newest of a parked or openly lettered key: recovery and redrive may still read it. */
async function newestOfOwedKeys(
  control: SqlDatabase,
  { database, table }: JournalShard,
  rows: readonly SqlRow[],
): Promise<(row: SqlRow) => boolean> {
  const keys = [...new Map(rows.map((row) => [keyOf(row), row])).values()];
  const condition = 'table_name = ? AND primary_key = ?';
  const valuesOf = (row: SqlRow) => [String(row.table_name), String(row.primary_key)];
  const owed = new Map<string, SqlRow>();
  for (const head of [
    'SELECT table_name, primary_key FROM parked_keys WHERE',
    "SELECT table_name, primary_key FROM dead_letters WHERE state <> 'closed' AND",
  ]) {
    if ((await control.run(`${head} 1 = 1 LIMIT 1`, [])).rows.length === 0) continue;
    for (const row of (await runPerItem(control, { head, condition }, keys, valuesOf)).rows) owed.set(keyOf(row), row);
  }
  const newest = new Map<string, number>();
  for (const [key, row] of owed) {
    const answer = await database.run(`SELECT MAX(version) AS version FROM ${table} WHERE ${condition}`, valuesOf(row));
    newest.set(key, Number(answer.rows[0]?.version));
  }
  return (row) => newest.get(keyOf(row)) === Number(row.version);
}

function keyOf(row: SqlRow): string {
  return `${String(row.table_name)}\n${String(row.primary_key)}`;
}
