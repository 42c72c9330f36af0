import { type Change, checksumOf } from '../pipeline/change.ts';
import type { JournalGap, Partition } from '../pipeline/ports.ts';
import { recordGaps } from './store-gaps.ts';
import { rowBytesOf } from './store-rows.ts';
import { type JournalShard, shardOf } from './store-shards.ts';
import {
  DocumentValue,
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

/** Changes for one shard, with what each weighs. */
interface ShardRows {
  readonly shard: JournalShard;
  readonly statement: InsertStatement;
  readonly partition: Partition;
  readonly changes: Change[];
  readonly sizes: number[];
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
  partition: Partition,
  changes: readonly Change[],
  shards: readonly JournalShard[],
  statements: readonly InsertStatement[],
  refused: Set<number>,
): Iterable<ShardRows> {
  const byShard = new Map<number, ShardRows>();
  for (const change of changes) {
    const index = shardOf(change.table.qualified, shards.length);
    let rows = byShard.get(index);
    if (rows === undefined) {
      const shard = shards[index] as JournalShard;
      rows = { shard, statement: statements[index] as InsertStatement, partition, changes: [], sizes: [] };
      byShard.set(index, rows);
    }
    const bytes = rowBytesOf(change);
    if (bytes > rows.shard.database.limits().rowBytes) {
      refused.add(change.offset);
      continue;
    }
    rows.sizes.push(bytes);
    rows.changes.push(change);
  }
  return byShard.values();
}

/** The columns of a span's rows, flat: made for one statement at a time, as those of a whole append would be megabytes. */
function valuesOf({ changes, partition: { topic, partition } }: ShardRows, { from, to }: RowSpan): SqlValue[] {
  const values: SqlValue[] = [];
  for (let row = from; row < to; row += 1) {
    const { document, key, offset, op, operation, ordinal, table, timestampMs, version } = changes[row] as Change;
    values.push(topic, partition, offset, version, table.database, table.qualified, key, ordinal);
    values.push(op === 'delete' ? 1 : 0, operation, new DocumentValue(document), checksumOf(document), timestampMs);
  }
  return values;
}

/** Appends and returns the offsets of rows that the server will never take. */
async function appendRows(database: SqlDatabase, parts: readonly ShardRows[]): Promise<number[]> {
  const jobs = parts.flatMap((part) =>
    spansOf(part.changes.length, database.dialect.maxRows, database.limits().statementBytes, part.sizes).map(
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
  try {
    await session.run(part.statement.text(to - from), valuesOf(part, span));
    return [];
  } catch (error) {
    if (!database.isRowFault(error)) throw error;
    if (to - from === 1) return [(part.changes[from] as Change).offset];
    const middle = from + shapeOf(to - from - 1); // which is prepared anyway
    const left = await append(database, session, { part, span: { from, to: middle } });
    return [...left, ...(await append(database, session, { part, span: { from: middle, to } }))];
  }
}

function rowGaps({ topic, partition }: Partition, offsets: ReadonlySet<number>): JournalGap[] {
  return [...offsets].map((offset) => ({ topic, partition, from: offset, to: offset, reason: 'row-too-long' }));
}
