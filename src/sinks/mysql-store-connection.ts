import type { Socket } from 'node:net';
import type { PoolConnection, PrepareStatementInfo } from 'mysql2';
import { mysqlError, timeoutError } from './mysql-store-errors.ts';
import type { SqlAnswer, SqlValue } from './store-sql.ts';

/** Parameters of a statement whose types are remembered. */
const MAX_HINTS = 64;

/** Closes a connection on our side. mysql2 alone only says that nothing more will be sent, and waits for the other side for ever. */
export function cut(connection: PoolConnection): void {
  connection.destroy();
  socketOf(connection).destroy();
}

export function socketOf(connection: PoolConnection): Socket {
  return (connection as PoolConnection & { readonly stream: Socket }).stream;
}

/** A timer that is later than this tells of us: our process stood still. */
const LATE_MS = 500;

/**
 * Calls `onDue` after `timeoutMs`, unless what it returns is called before. A process that was frozen finds its timers due
 * before it has read what came meanwhile, which is the answer, or that the server has closed: then the time begins anew.
 */
export function timeout(timeoutMs: number, onDue: () => void): () => void {
  let timer: NodeJS.Timeout;
  const begin = (): void => {
    const dueMs = performance.now() + timeoutMs;
    timer = setTimeout(() => (performance.now() > dueMs + LATE_MS ? begin() : onDue()), timeoutMs);
  };
  begin();
  return () => clearTimeout(timer);
}

const answers = new WeakSet<object>();

/** Whether an error is the server's own, complete answer to a statement. */
export function isAnswer(error: unknown): boolean {
  return typeof error === 'object' && error !== null && answers.has(error);
}

/** Runs one statement. A connection that does not answer in time is cut off: it would stay busy for ever. */
export function execute(
  connection: PoolConnection,
  sql: string,
  values: readonly SqlValue[],
  timeoutMs: number,
): Promise<SqlAnswer> {
  return new Promise((resolve, reject) => {
    const endWait = timeout(timeoutMs, () => {
      cut(connection);
      reject(timeoutError('a statement', timeoutMs));
    });
    const done = (error: (Error & { fatal?: boolean; sqlState?: string }) | null, result: unknown) => {
      endWait();
      if (error === null) return resolve(answerOf(result));
      const wrapped = mysqlError(error);
      if (error.sqlState && !error.fatal) answers.add(wrapped);
      return reject(wrapped);
    };
    // Statements without values are rare and partly not preparable (START TRANSACTION, DDL).
    if (values.length === 0) connection.query(sql, done);
    else {
      connection.prepare(sql, (error, statement) => {
        if (error) return done(error, null);
        forgetParameters(statement);
        return statement.execute(values as SqlValue[], done);
      });
    }
  });
}

/**
 * mysql2 keeps what the server said of each parameter, several objects for each: 7 MiB for the inserts of three
 * connections. It uses them as hints on a number's type, which a few values may need and long inserts do not.
 */
function forgetParameters(statement: PrepareStatementInfo): void {
  const { parameters } = statement as { parameters?: unknown[] };
  if (parameters !== undefined && parameters.length > MAX_HINTS) parameters.length = 0;
}

function answerOf(result: unknown): SqlAnswer {
  if (Array.isArray(result)) return { rows: result, affected: 0 };
  return { rows: [], affected: Number((result as { affectedRows?: number }).affectedRows ?? 0) };
}
