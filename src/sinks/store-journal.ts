import { type Change, checksumOf } from '../pipeline/change.ts';
import type { JournalGap, Partition } from '../pipeline/ports.ts';
import { recordGaps } from './store-gaps.ts';
import { rowBytesOf } from './store-rows.ts';
import { type JournalShard, shardOf } from './store-shards.ts';
import {
  type InsertStatement,
  insertStatement,
  type RowSpan,
  type SqlDatabase,
  type SqlSession,
  type SqlValue,
  shapeOf,
  spansOf,
} from './store-sql.ts';

const COLUMNS = [
  'topic',
  'partition_no',
  'record_offset',
  'version',
  'database_name',
  'table_name',
  'primary_key',
  'ordinal',
  'is_delete',
  'operation',
  'data',
  'checksum',
  'record_time_ms',
];

/** Rows of one shard, flat, with what each weighs. */
interface ShardRows {
  readonly shard: JournalShard;
  readonly statement: InsertStatement;
  readonly values: SqlValue[];
  readonly sizes: number[];
  readonly offsets: number[];
}

/**
 * Makes the function that appends changes to the journal, over all shards. A row that the server can never take becomes a
 * gap `row-too-long`; its neighbours get in.
 */
export function journalAppender(control: SqlDatabase, shards: readonly JournalShard[]) {
  const statements = shards.map(({ database, table }) =>
    insertStatement(database.dialect, table, COLUMNS, 'topic, partition_no, is_delete, version, ordinal'),
  );
  return async (partition: Partition, changes: readonly Change[]): Promise<void> => {
    const refused = new Set<number>();
    const byDatabase = new Map<SqlDatabase, ShardRows[]>();
    for (const rows of rowsOfShards(partition, changes, shards, statements, refused)) {
      const known = byDatabase.get(rows.shard.database);
      if (known) known.push(rows);
      else byDatabase.set(rows.shard.database, [rows]);
    }
    // One transaction a database; a database that fails leaves the others' rows, which the repeated call finds there.
    const refusals = await Promise.all([...byDatabase].map(([database, rows]) => appendRows(database, rows)));
    for (const offset of refusals.flat()) refused.add(offset);
    if (refused.size > 0) await recordGaps(control, rowGaps(partition, refused));
  };
}

function rowsOfShards(
  { topic, partition }: Partition,
  changes: readonly Change[],
  shards: readonly JournalShard[],
  statements: readonly InsertStatement[],
  refused: Set<number>,
): Iterable<ShardRows> {
  const byShard = new Map<number, ShardRows>();
  for (const change of changes) {
    const { database, qualified } = change.table;
    const index = shardOf(qualified, shards.length);
    let rows = byShard.get(index);
    if (rows === undefined) {
      const shard = shards[index] as JournalShard;
      rows = { shard, statement: statements[index] as InsertStatement, values: [], sizes: [], offsets: [] };
      byShard.set(index, rows);
    }
    const bytes = rowBytesOf(change);
    if (bytes > rows.shard.database.limits().rowBytes) {
      refused.add(change.offset);
      continue;
    }
    rows.sizes.push(bytes);
    rows.offsets.push(change.offset);
    rows.values.push(topic, partition, change.offset, change.version, database, qualified, change.key, change.ordinal);
    rows.values.push(change.op === 'delete' ? 1 : 0, change.operation, change.document, checksumOf(change.document));
    rows.values.push(change.timestampMs);
  }
  return byShard.values();
}

/** Appends and returns the offsets of rows that the server will never take. */
async function appendRows(database: SqlDatabase, parts: readonly ShardRows[]): Promise<number[]> {
  const jobs = parts.flatMap((part) =>
    spansOf(part.offsets.length, database.dialect.maxRows, database.limits().statementBytes, part.sizes).map(
      (span) => ({ part, span }),
    ),
  );
  const only = jobs[0];
  if (only === undefined) return [];
  if (jobs.length === 1) return append(database, database, only);
  return database.transaction(async (session) => {
    const refused: number[] = [];
    for (const job of jobs) refused.push(...(await append(database, session, job)));
    return refused;
  });
}

/** Inserts a span of rows; when one of them is at fault, halves find it, and the others get in. */
async function append(
  database: SqlDatabase,
  session: SqlSession,
  { part, span }: { part: ShardRows; span: RowSpan },
): Promise<number[]> {
  const { from, to } = span;
  const { width } = part.statement;
  try {
    await session.run(part.statement.text(to - from), part.values.slice(from * width, to * width));
    return [];
  } catch (error) {
    if (!database.isRowFault(error)) throw error;
    if (to - from === 1) return [part.offsets[from] as number];
    const middle = from + shapeOf(to - from - 1); // which is prepared anyway
    const left = await append(database, session, { part, span: { from, to: middle } });
    return [...left, ...(await append(database, session, { part, span: { from: middle, to } }))];
  }
}

function rowGaps({ topic, partition }: Partition, offsets: ReadonlySet<number>): JournalGap[] {
  return [...offsets].map((offset) => ({ topic, partition, from: offset, to: offset, reason: 'row-too-long' }));
}
