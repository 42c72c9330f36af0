import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../pipeline/errors.ts';
import {
  plainValue,
  type SqlAnswer,
  type SqlDatabase,
  type SqlSession,
  type SqlValue,
  sqliteDialect,
} from './store-sql.ts';

/** Statements prepared at a time; the oldest is dropped for a new one. */
const MAX_STATEMENTS = 128;
/** Calls that may wait for a transaction to end. */
const MAX_WAITING = 1000;
/** How long another process may hold the file. Waited for here: SQLite's own wait would stop the whole process. */
const BUSY_TIMEOUT_MS = 5000;
const BUSY_PAUSE_MS = 5;
/** SQLite takes values of 10^9 bytes; a row is kept far below. */
const LIMITS = { statementBytes: 8 * 1024 * 1024, rowBytes: 256 * 1024 * 1024 };
/** SQLITE_TOOBIG and SQLITE_CONSTRAINT: the row, not the database. */
const ROW_FAULTS = new Set([18, 19]);

export interface SqliteDatabase extends SqlDatabase {
  /** Resolves when no call is running or waiting. */
  idle(): Promise<void>;
}

/** One SQLite connection as a database of the store. Calls go one after the other: there is one connection to share. */
export function sqliteDatabase(connection: () => DatabaseSync): SqliteDatabase {
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const faults = new WeakSet<object>();
  const statements = statementCache(connection);

  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const wrapped = error instanceof SluiceError ? error : sqliteError(error);
      if (ROW_FAULTS.has(Number((error as { errcode?: unknown }).errcode) & 0xff)) faults.add(wrapped);
      throw wrapped;
    }
  };
  const session: SqlSession = {
    run: async (sql, values) => guarded(() => runStatement(statements(sql), values)),
  };
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    if (waiting >= MAX_WAITING)
      return Promise.reject(
        new SluiceError('E4001', 'the store is busy', { detail: `${MAX_WAITING} calls wait`, retriable: true }),
      );
    waiting += 1;
    const result = tail.then(work);
    tail = result.then(
      () => (waiting -= 1),
      () => (waiting -= 1),
    );
    return result;
  };
  return {
    dialect: sqliteDialect,
    limits: () => LIMITS,
    isRowFault: (error) => typeof error === 'object' && error !== null && faults.has(error),
    run: (sql, values) => inTurn(() => whenFree(() => session.run(sql, values))),
    transaction: (work) =>
      inTurn(async () => {
        // IMMEDIATE: a read that turns into a write later fails at once when another process wrote in between.
        await whenFree(async () => guarded(() => connection().exec('BEGIN IMMEDIATE')));
        try {
          const result = await work(session);
          guarded(() => connection().exec('COMMIT'));
          return result;
        } catch (error) {
          if (connection().isTransaction) connection().exec('ROLLBACK');
          throw error;
        }
      }),
    async idle() {
      while (waiting > 0) await tail;
    },
  };
}

/** Repeats what found the file locked, until the time is over. */
export async function whenFree<T>(call: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof SluiceError) || !busy.has(error) || performance.now() > endMs) throw error;
      await delay(BUSY_PAUSE_MS);
    }
  }
}

const busy = new WeakSet<SluiceError>();

function statementCache(connection: () => DatabaseSync): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>();
  let owner: DatabaseSync | null = null;
  return (sql) => {
    const current = connection();
    if (owner !== current) statements.clear();
    owner = current;
    let statement = statements.get(sql);
    if (statement === undefined) {
      const oldest = statements.keys().next().value;
      if (statements.size >= MAX_STATEMENTS && oldest !== undefined) statements.delete(oldest);
      statement = current.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
}

function runStatement(statement: StatementSync, values: readonly SqlValue[]): SqlAnswer {
  const plain = values.map(plainValue);
  // `run` alone tells the number of rows changed, `all` alone the rows.
  if (statement.columns().length > 0) return { rows: statement.all(...plain) as SqlAnswer['rows'], affected: 0 };
  return { rows: [], affected: Number(statement.run(...plain).changes) };
}

/** What went wrong, by SQLite's code alone: its messages can hold SQL. */
export function sqliteError(error: unknown): SluiceError {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const primary = Number(errcode) & 0xff;
  const isBusy = primary === 5 || primary === 6;
  const wrapped = new SluiceError('E4001', isBusy ? 'the store is locked by another process' : 'the store failed', {
    detail: `SQLite ${errcode ?? code ?? 'unknown'}`,
    remedy: isBusy ? '' : 'Check that the file is a database of sluice, may be written, and that the disk is not full.',
    retriable: isBusy || primary === 10 || primary === 13,
  });
  if (isBusy) busy.add(wrapped);
  return wrapped;
}
