import { hash } from 'node:crypto';
import type { Change, Rejection } from '../pipeline/change.ts';
import { documentOf } from '../pipeline/json-document.ts';
import type { DeadLetter, LetterFilter, Partition, SettledKey, TableLookup } from '../pipeline/ports.ts';
import { changeOfRow, tableOfRow, timeMs } from './store-rows.ts';
import { type JournalShard, shardOf } from './store-shards.ts';
import { insertRows, insertStatement, runPerItem, type SqlDatabase, type SqlRow, type SqlValue } from './store-sql.ts';

/** A body of this many characters was cut and is no document any more. */
const BODY_LIMIT = 65_536;
const DEFAULT_LIMIT = 100;
/**
 * The letter of a delete whose key lives in another partition: its version and the versions of the key's own changes say
 * nothing about each other, so none of these closes it and none sends it again. It is for a person.
 */
const UNORDERED = 'unordered-key-change';

const COLUMNS = [
  'topic',
  'partition_no',
  'record_offset',
  'version',
  'database_name',
  'table_name',
  'primary_key',
  'operation',
  'reason',
  'detail',
  'body',
  'state',
  'identity',
];

/** Makes the function that writes letters: the same one again changes nothing. */
export function letterWriter(database: SqlDatabase) {
  const statement = insertStatement(database.dialect, 'dead_letters', COLUMNS, 'identity');
  return async (letters: readonly Rejection[]): Promise<void> => {
    const values: SqlValue[] = [];
    const sizes: number[] = [];
    for (const letter of letters) {
      const { topic, partition, offset, version, table, key, reason } = letter;
      // One column to be unique by: the five together are longer than an index may be, and a null key is never equal.
      const identity = hash('md5', JSON.stringify([topic, partition, version, key, reason]), 'hex');
      values.push(topic, partition, offset, version, table?.database ?? '', table?.qualified ?? '', key ?? '');
      values.push(letter.op ?? '', reason, letter.detail, letter.body, 'open', identity);
      sizes.push(1024 + Buffer.byteLength(letter.body) + Buffer.byteLength(letter.detail));
    }
    await insertRows(database, statement, values, sizes);
  };
}

/**
 * Closes the letters of each key whose version is not above the one given, but for unordered ones and those of another
 * topic. Resolves with the number closed.
 */
export async function closeLetters(database: SqlDatabase, keys: readonly SettledKey[]): Promise<number> {
  if (keys.length === 0) return 0;
  const { rows } = await database.run("SELECT 1 FROM dead_letters WHERE state IN ('open', 'redrive') LIMIT 1", []);
  if (rows.length === 0) return 0;
  const head = `UPDATE dead_letters SET state = 'closed' WHERE state <> 'closed' AND reason <> '${UNORDERED}' AND`;
  const condition = 'table_name = ? AND primary_key = ? AND version <= ? AND topic = ?';
  const { affected } = await runPerItem(database, { head, condition }, keys, (item) => [
    item.table.qualified,
    item.key,
    item.version,
    item.topic,
  ]);
  return affected;
}

/** Letters by id, the oldest first; at most 100 when the filter names no limit. */
export async function readLetters(
  database: SqlDatabase,
  lookup: TableLookup,
  filter: LetterFilter,
): Promise<DeadLetter[]> {
  const { where, values } = conditionOf(filter);
  const { rows } = await database.run(`SELECT * FROM dead_letters WHERE ${where}`, values);
  return rows.map((row) => letterOf(row, lookup));
}

/** Number of letters that are not closed: of a partition, or all. */
export async function letterCount(database: SqlDatabase, partition?: Partition): Promise<number> {
  const where = partition ? ' AND topic = ? AND partition_no = ?' : '';
  const { rows } = await database.run(
    `SELECT COUNT(*) AS count FROM dead_letters WHERE state IN ('open', 'redrive')${where}`,
    partition ? [partition.topic, partition.partition] : [],
  );
  return Number(rows[0]?.count ?? 0);
}

/** Marks the open letters that the filter selects. Resolves with the number marked. */
export async function requestRedrive(database: SqlDatabase, filter: LetterFilter): Promise<number> {
  if ((filter.state ?? 'open') !== 'open') return 0;
  const { where, values } = conditionOf({ limit: Number.MAX_SAFE_INTEGER, ...filter, state: 'open' });
  // Wrapped once more: MySQL refuses LIMIT inside IN, and to read the table that it updates.
  const { affected } = await database.run(
    `UPDATE dead_letters SET state = 'redrive' WHERE id IN (SELECT id FROM (SELECT id FROM dead_letters WHERE ${where}) AS chosen)`,
    values,
  );
  return affected;
}

export async function setLetterState(
  database: SqlDatabase,
  ids: readonly number[],
  state: DeadLetter['state'],
): Promise<void> {
  const head = 'UPDATE dead_letters SET state = ? WHERE';
  await runPerItem(database, { head, condition: 'id = ?', headValues: [state] }, ids, (id) => [id]);
}

export interface Redrive {
  readonly letter: DeadLetter;
  readonly change: Change | null;
  readonly isOvertaken: boolean;
}

/** Letters of a partition marked for redrive, with what the journal knows of their keys. */
export async function readRedrives(
  database: SqlDatabase,
  shards: readonly JournalShard[],
  lookup: TableLookup,
  { topic, partition }: Partition,
  limit: number,
): Promise<Redrive[]> {
  const { rows } = await database.run(
    `SELECT * FROM dead_letters WHERE state = 'redrive' AND topic = ? AND partition_no = ? ORDER BY id LIMIT ${Math.trunc(limit)}`,
    [topic, partition],
  );
  const redrives: Redrive[] = [];
  for (const row of rows) redrives.push(await redriveOf(letterOf(row, lookup), shards, lookup));
  return redrives;
}

async function redriveOf(letter: DeadLetter, shards: readonly JournalShard[], lookup: TableLookup): Promise<Redrive> {
  const { table, key, reason } = letter;
  if (table === null || key === null || reason === UNORDERED) return { letter, change: null, isOvertaken: false };
  const shard = shards[shardOf(table.qualified, shards.length)] as JournalShard;
  const { rows } = await shard.database.run(
    // Versions of another topic, from which the table came by mistake, say nothing about this one's.
    `SELECT * FROM ${shard.table} WHERE table_name = ? AND primary_key = ? AND version >= ? AND topic = ?
     ORDER BY version DESC, ordinal DESC LIMIT 1`,
    [table.qualified, key, letter.version, letter.topic],
  );
  const newest = rows[0] ? changeOfRow(rows[0], lookup) : null;
  const isOvertaken = newest !== null && newest.version > letter.version;
  return { letter, change: isOvertaken || newest === null ? changeOfLetter(letter) : newest, isOvertaken };
}

/** What a letter itself says, for a change that is not in the journal. */
function changeOfLetter({ table, key, op, version, offset, body, createdMs }: DeadLetter): Change | null {
  if (table === null || key === null || op === null) return null;
  if (op === 'upsert' && !isDocument(body)) return null;
  const operation = op === 'delete' ? 'DELETE' : 'UPDATE';
  return { table, key, op, operation, document: documentOf(body), version, offset, ordinal: 0, timestampMs: createdMs };
}

function isDocument(body: string): boolean {
  if (body.length >= BODY_LIMIT || Buffer.byteLength(body) >= BODY_LIMIT) return false;
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function conditionOf({ table, reason, state, id, limit = DEFAULT_LIMIT }: LetterFilter) {
  const conditions = ['1 = 1'];
  const values: SqlValue[] = [];
  for (const [column, value] of Object.entries({ table_name: table, reason, state, id })) {
    if (value === undefined) continue;
    conditions.push(`${column} = ?`);
    values.push(value);
  }
  return { where: `${conditions.join(' AND ')} ORDER BY id LIMIT ${Math.trunc(limit)}`, values };
}

function letterOf(row: SqlRow, lookup: TableLookup): DeadLetter {
  const op = String(row.operation);
  const key = String(row.primary_key);
  return {
    id: Number(row.id),
    state: String(row.state) as DeadLetter['state'],
    createdMs: timeMs(row.created_time),
    reason: String(row.reason),
    detail: String(row.detail),
    topic: String(row.topic),
    partition: Number(row.partition_no),
    offset: Number(row.record_offset),
    version: Number(row.version),
    table: tableOfRow(row, lookup),
    key: key === '' ? null : key,
    op: op === '' ? null : (op as 'upsert' | 'delete'),
    body: String(row.body),
  };
}
