import { lastValueFrom, toArray } from 'rxjs';
import { newestPerKey } from '../src/operators/newest-per-key.ts';
import { parseChanges } from '../src/operators/parse-changes.ts';
import type { Change, ChangeBatch } from '../src/pipeline/change.ts';
import { InFlight } from '../src/pipeline/position.ts';
import { bufferKey } from '../src/sinks/buffer-key.ts';
import { ByteWriter } from '../src/sinks/byte-writer.ts';
import { writeRedisValue } from '../src/sinks/redis-buffer-value.ts';
import { journalAppender } from '../src/sinks/store-journal.ts';
import { rowBytesOf } from '../src/sinks/store-rows.ts';
import { mysqlDialect, type PlainValue, plainValue, type SqlDatabase, spansOf } from '../src/sinks/store-sql.ts';
import { defaultFormat } from './default-format.ts';
import type { Load } from './load.ts';
import { logRecords, recordFeed, TOPIC } from './record-feed.ts';
import { stagesUnderTest } from './stages-under-test.ts';

/** What the adapters hold to by default: bytes of a statement, characters of a value. */
const STATEMENT_BYTES = 4 << 20;
const MAX_DATA_CHARS = 1 << 20;
/** Keys of one script call. */
const SCRIPT_KEYS = 500;
/** Changes that the journal takes together at most. */
const GROUP_CHANGES = 5000;

export interface ScriptCall {
  readonly keys: readonly string[];
  readonly values: readonly string[];
}

export interface Statement {
  readonly sql: string;
  readonly values: PlainValue[];
}

/** The statements of one append. */
export type Append = readonly Statement[];

/** The rows of a load, ready to be sent. */
export interface ReadyCalls {
  /** For each slice of the log the calls that are made at once. */
  readonly scripts: readonly (readonly ScriptCall[])[];
  /** Takes the next group of slices from the queue, and makes one append of each partition's rows. */
  appendsOf(queue: number[]): readonly Append[];
}

interface Slice {
  readonly partition: number;
  /** Columns of all rows, flat. */
  readonly values: readonly PlainValue[];
  readonly sizes: readonly number[];
}

/**
 * Makes a load ready for the stores: rows, scripts and statements are those of the adapters, which are asked for them, so
 * they cannot drift apart.
 */
export async function readyCalls(partitions: Load['partitions']): Promise<ReadyCalls> {
  const batches = await parsed(partitions);
  const slices: Slice[] = [];
  for (const { changes, partition } of batches) {
    const values = (await statementsOf(changes, partition)).flatMap((statement) => statement.values);
    slices.push({ partition, values, sizes: changes.map(rowBytesOf) });
  }
  const texts = await insertTexts(batches.flatMap(({ changes }) => changes).slice(0, mysqlDialect.maxRows));
  return {
    scripts: batches.map(scriptsOf),
    appendsOf: (queue) => [...byPartition(takeGroup(queue, slices)).values()].map((some) => appendOf(some, texts)),
  };
}

/** The batches of a load as they come from the parser, in the order in which the feed hands them on. */
function parsed(partitions: Load['partitions']): Promise<readonly ChangeBatch[]> {
  const refuse = (): never => {
    throw new Error('a record was rejected');
  };
  const { parse } = stagesUnderTest(defaultFormat(partitions.length).format, () => undefined);
  // Nobody gives back what is held here, so there is no limit to it.
  const inFlight = new InFlight({ bytes: Number.POSITIVE_INFINITY, changes: Number.POSITIVE_INFINITY });
  const records = recordFeed(logRecords(partitions), inFlight);
  return lastValueFrom(records.pipe(parseChanges({ ...parse, inFlight, writeLetters: refuse }), toArray()));
}

function scriptsOf({ changes }: ChangeBatch): readonly ScriptCall[] {
  const newest = newestPerKey(changes);
  const calls: ScriptCall[] = [];
  for (let from = 0; from < newest.length; from += SCRIPT_KEYS) {
    const some = newest.slice(from, from + SCRIPT_KEYS);
    calls.push({
      keys: some.map(({ key, table }) => bufferKey(table, key, null)),
      values: some.map(redisValueOf),
    });
  }
  return calls;
}

function redisValueOf(change: Change): string {
  const value = new ByteWriter(1024);
  writeRedisValue(value, change, MAX_DATA_CHARS);
  return value.bytes().toString();
}

/** What the journal's adapter would send for some changes, without sending it. */
async function statementsOf(changes: readonly Change[], partition = 0): Promise<readonly Statement[]> {
  const statements: Statement[] = [];
  const run: SqlDatabase['run'] = async (sql, values) => {
    statements.push({ sql, values: values.map(plainValue) });
    return { rows: [], affected: values.length };
  };
  const database: SqlDatabase = {
    dialect: mysqlDialect,
    run,
    transaction: (work) => work({ run }),
    limits: () => ({ statementBytes: STATEMENT_BYTES, rowBytes: STATEMENT_BYTES }),
    isRowFault: () => false,
  };
  const append = journalAppender(database, [{ database, table: 'journal_0' }]);
  await append({ topic: TOPIC, partition }, changes);
  return statements;
}

/** The adapter's insert by its number of rows, for each number that it sends at once. */
async function insertTexts(changes: readonly Change[]): Promise<ReadonlyMap<number, string>> {
  const texts = new Map<number, string>();
  for (let rows = 1; rows <= changes.length; rows += 1) {
    if (spansOf(rows, mysqlDialect.maxRows, STATEMENT_BYTES).length > 1) continue;
    const [statement] = await statementsOf(changes.slice(0, rows));
    if (statement !== undefined) texts.set(rows, statement.sql);
  }
  return texts;
}

function takeGroup(queue: number[], slices: readonly Slice[]): readonly Slice[] {
  let changes = 0;
  const end = queue.findIndex((slice, index) => {
    changes += slices[slice]?.sizes.length ?? 0;
    return index > 0 && changes > GROUP_CHANGES;
  });
  return queue.splice(0, end === -1 ? queue.length : end).map((slice) => slices[slice] as Slice);
}

function byPartition(slices: readonly Slice[]): Map<number, Slice[]> {
  const groups = new Map<number, Slice[]>();
  for (const slice of slices) {
    const group = groups.get(slice.partition);
    if (group === undefined) groups.set(slice.partition, [slice]);
    else group.push(slice);
  }
  return groups;
}

function appendOf(slices: readonly Slice[], texts: ReadonlyMap<number, string>): Append {
  const values = slices.flatMap((slice) => slice.values);
  const sizes = slices.flatMap((slice) => slice.sizes);
  const width = values.length / sizes.length;
  return spansOf(sizes.length, mysqlDialect.maxRows, STATEMENT_BYTES, sizes).map(({ from, to }) => {
    const sql = texts.get(to - from);
    if (sql === undefined) throw new Error(`the adapter has no insert of ${to - from} rows`);
    return { sql, values: values.slice(from * width, to * width) };
  });
}
