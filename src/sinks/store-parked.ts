import { placeOf } from '../pipeline/change.ts';
import type { KeyVersion, ParkedKey, Partition, TableLookup } from '../pipeline/ports.ts';
import { CHANGE_COLUMNS, changeOfRow, rowBytesOf } from './store-rows.ts';
import {
  type Dialect,
  DocumentValue,
  insertRows,
  insertStatement,
  runPerList,
  type SqlDatabase,
  type SqlSession,
  type SqlValue,
} from './store-sql.ts';

const BACKOFF_BASE_MS = 1000;
const BACKOFF_MAX_MS = 600_000;

const PAYLOAD = [
  'topic',
  'partition_no',
  'record_offset',
  'database_name',
  'ordinal',
  'is_delete',
  'operation',
  'data',
  'record_time_ms',
  'bytes',
];
const COLUMNS = ['table_name', 'primary_key', 'version', 'first_offset', 'first_version', ...PAYLOAD];

/** Makes the function that parks keys: the highest version of a key keeps the row, whatever the order of the calls. */
export function keyParker(database: SqlDatabase) {
  const { proposed, least } = database.dialect;
  const ifNewer = (column: string) =>
    `${column} = CASE WHEN ${proposed('version')} >= version THEN ${proposed(column)} ELSE ${column} END`;
  const isOlderFirst = `${proposed('first_version')} < first_version`;
  const statement = insertStatement(database.dialect, 'parked_keys', COLUMNS, 'table_name, primary_key', [
    ...PAYLOAD.map(ifNewer),
    `first_offset = CASE WHEN ${isOlderFirst} THEN ${proposed('first_offset')} ELSE first_offset END`,
    `first_version = ${least(proposed('first_version'), 'first_version')}`,
    // Last: assignments run left to right, and the ones above compare with the version that was there.
    ifNewer('version'),
  ]);
  return async (keys: readonly ParkedKey[]): Promise<void> => {
    const values: SqlValue[] = [];
    const sizes: number[] = [];
    // In key order, so that two instances lock rows in the same order.
    for (const key of [...keys].sort(byKey)) {
      const { change } = key;
      const { table } = change;
      const bytes = rowBytesOf(change);
      sizes.push(bytes);
      values.push(table.qualified, change.key, change.version, key.firstOffset, firstVersionOf(key));
      values.push(key.topic, key.partition, change.offset, table.database, change.ordinal);
      values.push(change.op === 'delete' ? 1 : 0, change.operation, new DocumentValue(change.document));
      values.push(change.timestampMs, bytes);
    }
    await insertRows(database, statement, values, sizes);
  };
}

function byKey({ change: a }: ParkedKey, { change: b }: ParkedKey): number {
  return byTableAndKey(a, b) || a.version - b.version;
}

function byTableAndKey(a: Pick<KeyVersion, 'table' | 'key'>, b: Pick<KeyVersion, 'table' | 'key'>): number {
  if (a.table !== b.table) return a.table.qualified < b.table.qualified ? -1 : 1;
  return a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
}

/** Where a key's unsettled changes begin, as a version. An offset above the newest one is of the epoch before. */
function firstVersionOf({ change, firstOffset }: ParkedKey): number {
  const version = change.version - change.offset + firstOffset;
  return firstOffset <= change.offset || placeOf(change.version).epoch === 0 ? version : version - 2 ** 44;
}

/**
 * Removes parked keys whose version is not above the one given. Resolves with the number removed. Rows are found by key and
 * removed by id: one condition a key on both columns takes the server twice the time.
 */
export function unpark(database: SqlDatabase, keys: readonly KeyVersion[]): Promise<number> {
  const tables = [...Map.groupBy(keys, ({ table }) => table.qualified)].sort(([a], [b]) => (a < b ? -1 : 1));
  if (tables.length === 0) return Promise.resolve(0);
  // One transaction, so one flush.
  return database.transaction(async (session) => {
    let removed = 0;
    for (const [table, some] of tables) removed += await unparkOf(database.dialect, session, table, versionsOf(some));
    return removed;
  });
}

/** The highest version of each key as the database spells it, in key order, as rows are locked when they are parked. */
function versionsOf(keys: readonly KeyVersion[]): ReadonlyMap<string, number> {
  const versions = new Map<string, number>();
  for (const { key, version } of [...keys].sort(byTableAndKey)) {
    const spelled = key.toWellFormed(); // half a character becomes U+FFFD in UTF-8
    versions.set(spelled, Math.max(version, versions.get(spelled) ?? 0));
  }
  return versions;
}

async function unparkOf(
  { locking }: Dialect,
  session: SqlSession,
  table: string,
  versions: ReadonlyMap<string, number>,
): Promise<number> {
  const parked = await runPerList(
    session,
    (marks) =>
      `SELECT id, primary_key, version FROM parked_keys WHERE table_name = ? AND primary_key IN (${marks})${locking}`,
    [...versions.keys()],
    [table],
  );
  const settled = parked.rows.filter((row) => Number(row.version) <= (versions.get(String(row.primary_key)) ?? 0));
  const ids = settled.map(({ id }) => Number(id));
  return (await runPerList(session, (marks) => `DELETE FROM parked_keys WHERE id IN (${marks})`, ids)).affected;
}

export interface ParkedPage {
  readonly cursor: string | null;
  readonly limit: number;
  readonly maxBytes: number;
  readonly nowMs: number;
  readonly onlyDue: boolean;
}

/** One page of `Store.parked`: rows by id, which is the order of their first parking. */
export function parkedPage(
  database: SqlDatabase,
  lookup: TableLookup,
  { topic, partition }: Partition,
  { cursor, limit, maxBytes, nowMs, onlyDue }: ParkedPage,
): Promise<{ keys: ParkedKey[]; cursor: string | null }> {
  // No back-off is longer: a time further off is that of a clock that was ahead of this one, and says nothing here.
  const condition = `topic = ? AND partition_no = ? AND id > ? AND (next_attempt_ms <= ? OR next_attempt_ms > ?)`;
  const after = Number(cursor ?? 0);
  const due = onlyDue ? [nowMs, nowMs + BACKOFF_MAX_MS] : [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  const values = [topic, partition, after, ...due];
  return database.transaction(async (session) => {
    // Sizes first: a page of the largest documents must not be fetched to learn that it is too large.
    const sizes = await session.run(
      `SELECT id, bytes FROM parked_keys WHERE ${condition} ORDER BY id LIMIT ${Math.trunc(limit)}`,
      values,
    );
    let bytes = 0;
    let last = after;
    let count = 0;
    for (const row of sizes.rows) {
      bytes += Number(row.bytes);
      if (count > 0 && bytes > maxBytes) break;
      last = Number(row.id);
      count += 1;
    }
    if (count === 0) return { keys: [], cursor: null };
    const page = await session.run(
      `SELECT ${CHANGE_COLUMNS}, first_offset FROM parked_keys WHERE ${condition} AND id <= ? ORDER BY id`,
      [...values, last],
    );
    await session.run(
      `UPDATE parked_keys SET next_attempt_ms = ? + ${database.dialect.least(`${BACKOFF_BASE_MS} * (1 << ${database.dialect.least('attempts', '16')})`, `${BACKOFF_MAX_MS}`)},
         attempts = attempts + 1 WHERE ${condition} AND id <= ?`,
      [nowMs, ...values, last],
    );
    const keys: ParkedKey[] = [];
    for (const row of page.rows) {
      const change = changeOfRow(row, lookup);
      if (change) keys.push({ topic, partition, change, firstOffset: Number(row.first_offset) });
    }
    return { keys, cursor: count === sizes.rows.length && count < limit ? null : String(last) };
  });
}

/** Number of parked keys: of a partition, or all. */
export async function parkedCount(database: SqlDatabase, partition?: Partition): Promise<number> {
  const where = partition ? ' WHERE topic = ? AND partition_no = ?' : '';
  const values = partition ? [partition.topic, partition.partition] : [];
  const { rows } = await database.run(`SELECT COUNT(*) AS count FROM parked_keys${where}`, values);
  return Number(rows[0]?.count ?? 0);
}
