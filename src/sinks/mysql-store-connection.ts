import type { Socket } from 'node:net';
import type { PoolConnection, PrepareStatementInfo } from 'mysql2';
import { mysqlError, timeoutError } from './mysql-store-errors.ts';
import { parameterBytes } from './mysql-store-parameters.ts';
import { plainValue, type SqlAnswer, type SqlValue } from './store-sql.ts';

/** Statements of more values are sent our way. */
const MAX_USUAL = 64;
/** Head of mysql2's packet and of the protocol's COM_STMT_EXECUTE: length and number, command, statement, flags, repetitions. */
const HEAD_BYTES = 14;

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
    const done: Done = (error, result) => {
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
        if (values.length > MAX_USUAL) return executeLong(statement, values, done);
        return statement.execute(values.map(plainValue), done);
      });
    }
  });
}

type Done = (error: (Error & { fatal?: boolean; sqlState?: string }) | null, result: unknown) => void;

/** A packet of mysql2: a buffer from its head to `end`. */
interface Packet {
  buffer: Buffer;
  end: number;
}

interface PacketWriter {
  writePacket(packet: Packet): void;
}

/** What mysql2 keeps until the connection is free. Then `start` writes a packet and returns what reads the answer. */
interface Command {
  start(packet: unknown, connection: PacketWriter): unknown;
}

/**
 * Runs a statement of many values. mysql2 makes an object for each value before it writes the first, and keeps several of
 * what the server said of each: 13,000 values are an insert of 1000 rows. So it is given none, and its packet, which is a head
 * alone then, gets ours.
 */
function executeLong(statement: PrepareStatementInfo, values: readonly SqlValue[], done: Done): void {
  forgetParameters(statement);
  const command = statement.execute([], done) as unknown as Command;
  const { start } = command;
  command.start = (packet, connection) => {
    const writePacket = (written: Packet): void => {
      const head = written.buffer;
      if (head.length !== HEAD_BYTES) throw Object.assign(new Error(), { code: 'UNKNOWN_PACKET' });
      const buffer = parameterBytes(values, HEAD_BYTES);
      head.copy(buffer);
      connection.writePacket(Object.assign(written, { buffer, end: buffer.length }));
    };
    return start.call(command, packet, Object.create(connection, { writePacket: { value: writePacket } }));
  };
}

/** mysql2 needs them for values alone. For the inserts of three connections they were 7 MiB. */
function forgetParameters(statement: PrepareStatementInfo): void {
  const { parameters } = statement as { parameters?: unknown[] };
  if (parameters !== undefined) parameters.length = 0;
}

function answerOf(result: unknown): SqlAnswer {
  if (Array.isArray(result)) return { rows: result, affected: 0 };
  return { rows: [], affected: Number((result as { affectedRows?: number }).affectedRows ?? 0) };
}
