import { type JsonDocument, textOf } from '../pipeline/json-document.ts';

/** A document among the values of a statement: its text, for the database. */
export class DocumentValue {
  readonly document: JsonDocument;

  constructor(document: JsonDocument) {
    this.document = document;
  }
}

/** What clients of databases take. */
export type PlainValue = string | number | null;

export type SqlValue = PlainValue | DocumentValue;

/** A value as clients of databases take it. */
export function plainValue(value: SqlValue): PlainValue {
  return value instanceof DocumentValue ? textOf(value.document) : value;
}

export type SqlRow = Readonly<Record<string, unknown>>;

export interface SqlAnswer {
  readonly rows: readonly SqlRow[];
  /** Rows inserted, matched by an update, or deleted. */
  readonly affected: number;
}

export interface SqlSession {
  /** Runs one statement. Rejects with a SluiceError that holds neither SQL nor values. */
  run(sql: string, values: readonly SqlValue[]): Promise<SqlAnswer>;
}

/** One database of the store. Outside `transaction` every statement commits by itself. */
export interface SqlDatabase extends SqlSession {
  readonly dialect: Dialect;
  /** Runs `work` in one transaction, again from its beginning after a deadlock: `work` must be repeatable. */
  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T>;
  /** What a statement of several rows may weigh, and what one row may weigh alone, in bytes of values. */
  limits(): { readonly statementBytes: number; readonly rowBytes: number };
  /** Whether an error says that a row of the statement can never be stored. */
  isRowFault(error: unknown): boolean;
}

/** The few places where MySQL and SQLite differ in the statements of the store. */
export interface Dialect {
  readonly name: 'mysql' | 'sqlite';
  /** The value that the conflicting insert brought. */
  proposed(column: string): string;
  /** What to do when the unique columns are taken; assignments run left to right on MySQL, so a compared column is set last. */
  onConflict(unique: string, assignments: readonly string[]): string;
  least(a: string, b: string): string;
  /** What a SELECT ends with that locks its rows until the transaction does. */
  readonly locking: '' | ' FOR UPDATE';
  /** Rows of the largest insert. */
  readonly maxRows: number;
}

export const mysqlDialect: Dialect = {
  name: 'mysql',
  // Not the row alias of MySQL 8.0.19: MariaDB has none.
  proposed: (column) => `VALUES(${column})`,
  onConflict: (unique, assignments) => {
    const first = unique.split(',')[0];
    // Assigning a column to itself changes nothing; INSERT IGNORE would hide truncation as well.
    return `ON DUPLICATE KEY UPDATE ${assignments.length > 0 ? assignments.join(', ') : `${first} = ${first}`}`;
  },
  least: (a, b) => `LEAST(${a}, ${b})`,
  locking: ' FOR UPDATE',
  maxRows: 1000, // on a busy machine each answer waits for its turn: fewer, longer statements
};

export const sqliteDialect: Dialect = {
  name: 'sqlite',
  proposed: (column) => `excluded.${column}`,
  onConflict: (unique, assignments) =>
    assignments.length > 0
      ? `ON CONFLICT (${unique}) DO UPDATE SET ${assignments.join(', ')}`
      : 'ON CONFLICT DO NOTHING',
  least: (a, b) => `MIN(${a}, ${b})`,
  locking: '', // a transaction has the file for itself
  maxRows: 64,
};

/** The text of an insert of `rows` rows; the same text for the same number, so that it is prepared once. */
export interface InsertStatement {
  readonly width: number;
  text(rows: number): string;
}

/** Describes an insert that resolves conflicts on `unique`: by the assignments, or by keeping what is there. */
export function insertStatement(
  dialect: Dialect,
  table: string,
  columns: readonly string[],
  unique: string,
  assignments: readonly string[] = [],
): InsertStatement {
  const texts = new Map<number, string>();
  const row = `(${columns.map(() => '?').join(',')})`;
  const head = `INSERT INTO ${table} (${columns.join(', ')}) VALUES `;
  const tail = ` ${dialect.onConflict(unique, assignments)}`;
  return {
    width: columns.length,
    text(rows) {
      let text = texts.get(rows);
      if (text === undefined) {
        text = head + new Array<string>(rows).fill(row).join(',') + tail;
        texts.set(rows, text);
      }
      return text;
    },
  };
}

/** Rows of a slice of records of one row each. */
const SLICE_ROWS = 500;

export interface RowSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * Cuts rows 0 to `count` into spans of `maxRows` and, for what is left, of 500 (as long as a slice of records), 256, 128 … 1
 * rows: few shapes, so few prepared statements. Each is at most `maxBytes` by `sizes` unless it is one row.
 */
export function spansOf(count: number, maxRows: number, maxBytes: number, sizes?: readonly number[]): RowSpan[] {
  const spans: RowSpan[] = [];
  let from = 0;
  while (from < count) {
    let fitting = Math.min(maxRows, count - from);
    if (sizes) {
      let bytes = 0;
      for (let row = from; row < from + fitting; row++) {
        bytes += sizes[row] ?? 0;
        if (bytes > maxBytes) fitting = Math.max(1, row - from);
      }
    }
    const rows = fitting === maxRows ? maxRows : shapeOf(fitting);
    spans.push({ from, to: from + rows });
    from += rows;
  }
  return spans;
}

/** The largest number of rows up to `rows` that statements are made for. */
export function shapeOf(rows: number): number {
  return rows >= SLICE_ROWS ? SLICE_ROWS : 2 ** Math.floor(Math.log2(rows));
}

/** Runs an insert for rows laid flat in `values`: one statement alone, several in one transaction. */
export async function insertRows(
  database: SqlDatabase,
  statement: InsertStatement,
  values: readonly SqlValue[],
  sizes?: readonly number[],
): Promise<void> {
  const { width } = statement;
  const spans = spansOf(values.length / width, database.dialect.maxRows, database.limits().statementBytes, sizes);
  const insert = (session: SqlSession, { from, to }: RowSpan) =>
    session.run(statement.text(to - from), values.slice(from * width, to * width));
  const only = spans[0];
  if (spans.length === 1 && only) await insert(database, only);
  if (spans.length < 2) return;
  await database.transaction(async (session) => {
    for (const span of spans) await insert(session, span);
  });
}

/** Values of the longest list in a statement. */
const LIST_VALUES = 512;

/** Runs the statement that `text` makes of the place-holders of a list, as often as the list needs, and adds up the answers. */
export async function runPerList(
  session: SqlSession,
  text: (marks: string) => string,
  list: readonly SqlValue[],
  headValues: readonly SqlValue[] = [],
): Promise<SqlAnswer> {
  let affected = 0;
  const rows: SqlRow[] = [];
  for (const { from, to } of spansOf(list.length, LIST_VALUES, Number.MAX_SAFE_INTEGER)) {
    const marks = new Array<string>(to - from).fill('?').join(',');
    const answer = await session.run(text(marks), [...headValues, ...list.slice(from, to)]);
    affected += answer.affected;
    for (const row of answer.rows) rows.push(row);
  }
  return { rows, affected };
}

/** Runs `head (condition OR condition …)` over items, each with its values, and adds up the rows affected. */
export async function runPerItem<T>(
  session: SqlSession,
  statement: { readonly head: string; readonly condition: string; readonly headValues?: readonly SqlValue[] },
  items: readonly T[],
  valuesOf: (item: T) => readonly SqlValue[],
): Promise<SqlAnswer> {
  let affected = 0;
  const rows: SqlRow[] = [];
  for (const { from, to } of spansOf(items.length, 128, Number.MAX_SAFE_INTEGER)) {
    const conditions = new Array<string>(to - from).fill(`(${statement.condition})`).join(' OR ');
    const values = [...(statement.headValues ?? []), ...items.slice(from, to).flatMap(valuesOf)];
    const answer = await session.run(`${statement.head} (${conditions})`, values);
    affected += answer.affected;
    for (const row of answer.rows) rows.push(row);
  }
  return { rows, affected };
}
