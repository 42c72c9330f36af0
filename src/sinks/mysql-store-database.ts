import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createPool, type Pool, type PoolConnection } from 'mysql2';
import { SluiceError } from '../pipeline/errors.ts';
import { cut, execute, isAnswer, socketOf, timeout } from './mysql-store-connection.ts';
import { isCut, isDeadlock, isRowFault, mysqlError, timeoutError } from './mysql-store-errors.ts';
import { mysqlDialect, type SqlDatabase, type SqlSession, type SqlValue } from './store-sql.ts';

const CONNECT_TIMEOUT_MS = 5000;
/** How long closing waits for the other side. */
const CLOSE_TIMEOUT_MS = 1000;
/** Calls that may wait for a connection. */
const MAX_WAITING = 256;
const MAX_STATEMENTS = 256;
const DEADLOCK_ATTEMPTS = 5;
/** A statement is kept well below what the server takes: big enough to be fast, small enough to be held many times. */
const MAX_STATEMENT_BYTES = 4 * 1024 * 1024;
const PACKET_MARGIN_BYTES = 64 * 1024;
/** After which time without use we close a connection, so that the server need not. */
const IDLE_TIMEOUT_MS = 5000;
/**
 * Strict: a value that does not fit is refused, not cut. Times are UTC as in `timeText`. READ COMMITTED takes no gap
 * locks, so instances meet in fewer deadlocks (its variable has another name on MariaDB, the statement has not). A server
 * that waits 10 s for us, between statements or within one, gives up and frees our locks: an instance that is frozen or
 * cut off in the middle of a transaction must not keep the one that takes over from its rows.
 */
const SESSION = [
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', innodb_lock_wait_timeout = 5",
  'SET SESSION wait_timeout = 10, net_read_timeout = 10',
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
];

export interface MysqlEndpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface MysqlDatabaseOptions {
  readonly endpoint: MysqlEndpoint;
  readonly tls: object | null;
  readonly connections: number;
  readonly timeoutMs: number;
}

export interface MysqlDatabase extends SqlDatabase {
  readonly endpoint: MysqlEndpoint;
  /** Runs work on one connection, outside a transaction: for locks that belong to a connection. */
  onConnection<T>(work: (session: SqlSession) => Promise<T>): Promise<T>;
  setMaxPacketBytes(bytes: number): void;
  end(): Promise<void>;
}

/**
 * A pool of connections to one database. Every wait has our own deadline: mysql2 has none for a free connection, and
 * its timeout of a query leaves the connection busy for ever when the other side is gone.
 */
export function mysqlDatabase({ endpoint, tls, connections, timeoutMs }: MysqlDatabaseOptions): MysqlDatabase {
  const pool = createPool({
    ...endpoint,
    ...(tls ? { ssl: tls } : {}),
    connectionLimit: connections,
    maxIdle: Math.max(1, connections - 1), // each second the pool closes free ones beyond these, too; with all of them it closes none
    idleTimeout: IDLE_TIMEOUT_MS,
    gracefulEnd: true,
    queueLimit: MAX_WAITING,
    connectTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
    maxPreparedStatements: MAX_STATEMENTS,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    timezone: 'Z',
    flags: ['-CLIENT_QUERY_ATTRIBUTES'], // none are used, and `execute` writes packets without
    charset: 'utf8mb4_general_ci', // of the connection only; columns bring their own collation, which wins
  });
  const open = new Set<PoolConnection>();
  pool.on('connection', (connection) => {
    open.add(connection);
    socketOf(connection).once('close', () => open.delete(connection));
  });
  const prepared = new WeakSet<PoolConnection>();
  let maxPacketBytes = 1024 * 1024;

  const onConnection = async <T>(work: (session: SqlSession) => Promise<T>): Promise<T> => {
    const connection = await acquire(pool, timeoutMs);
    let isBroken = true;
    try {
      const run = (sql: string, values: readonly SqlValue[]) => execute(connection, sql, values, timeoutMs);
      if (!prepared.has(connection)) {
        for (const statement of SESSION) await run(statement, []);
        prepared.add(connection);
      }
      const result = await work({ run });
      isBroken = false;
      return result;
    } catch (error) {
      // Only what the server answered in full leaves the connection in a known state.
      isBroken = !isAnswer(error);
      throw error;
    } finally {
      if (isBroken) cut(connection);
      else connection.release();
    }
  };
  return {
    endpoint,
    dialect: mysqlDialect,
    isRowFault,
    limits: () => ({
      statementBytes: Math.min(MAX_STATEMENT_BYTES, maxPacketBytes - PACKET_MARGIN_BYTES),
      rowBytes: maxPacketBytes - PACKET_MARGIN_BYTES,
    }),
    setMaxPacketBytes(bytes) {
      maxPacketBytes = bytes;
    },
    onConnection,
    run: (sql, values) => repeat(() => onConnection((session) => session.run(sql, values))),
    transaction: (work) => repeat(() => onConnection((session) => inTransaction(session, work))),
    async end() {
      const closed = [...open].map((connection) => once(socketOf(connection), 'close'));
      pool.end(() => undefined);
      const patience = new AbortController();
      const patient = delay(CLOSE_TIMEOUT_MS, undefined, { signal: patience.signal }).catch(() => undefined);
      await Promise.race([Promise.all(closed), patient]);
      patience.abort();
      for (const connection of open) cut(connection);
    },
  };
}

async function inTransaction<T>(session: SqlSession, work: (session: SqlSession) => Promise<T>): Promise<T> {
  await session.run('START TRANSACTION', []);
  try {
    const result = await work(session);
    await session.run('COMMIT', []);
    return result;
  } catch (error) {
    if (isAnswer(error)) await session.run('ROLLBACK', []);
    throw error;
  }
}

/**
 * Makes a call again that met a deadlock, or once that lost its connection: one connection cut off between two servers
 * that are well is no outage. Every call of the store may be repeated after an unknown outcome.
 */
async function repeat<T>(call: () => Promise<T>): Promise<T> {
  let wasCut = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const isFirstCut: boolean = isCut(error) && !wasCut;
      wasCut ||= isFirstCut;
      if (!isFirstCut && (attempt >= DEADLOCK_ATTEMPTS || !isDeadlock(error))) throw error;
      await delay(Math.random() * 20 * attempt); // two that met are told apart by chance
    }
  }
}

function acquire(pool: Pool, timeoutMs: number): Promise<PoolConnection> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const endWait = timeout(timeoutMs, () => {
      isLate = true;
      reject(timeoutError('a connection', timeoutMs));
    });
    pool.getConnection((error, connection) => {
      endWait();
      if (error) return reject(mysqlError(error));
      if (isLate) return connection.release();
      return resolve(connection);
    });
  });
}

/** @throws SluiceError E1001, without the URL: it may hold a password. */
export function endpointOf(url: string): MysqlEndpoint {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const database = decodeURIComponent(parsed?.pathname.slice(1) ?? '');
  if (parsed === null || !['mysql:', 'mariadb:'].includes(parsed.protocol) || database === '' || database.includes('/'))
    throw new SluiceError('E1001', 'the URL of the store is not usable', {
      remedy: 'Write mysql://user:password@host:port/database.',
    });
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port || 3306),
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
    database,
  };
}
