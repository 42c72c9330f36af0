import { SluiceError } from '../pipeline/errors.ts';

const RIGHTS = new Set([1044, 1045, 1142, 1143, 1227, 1370, 1698]);
/** Too long, out of range, wrong character, missing: the row, not the server. */
const ROW_FAULTS = new Set([1048, 1153, 1264, 1301, 1366, 1406, 3170]);
const DEADLOCKS = new Set([1205, 1213]);
const SCHEMA = new Set([1049, 1054, 1146]);
/** Codes of mysql2 itself and of the socket that say nothing but "try again". */
const CODE_TEXT = /^[A-Z][A-Z0-9_]{2,60}$/;

/** The other side of an open connection is gone; what was sent may have been done. */
const CUTS = new Set(['ECONNRESET', 'EPIPE', 'PROTOCOL_CONNECTION_LOST', 'CONNECTION_CLOSED']);
/** Errors that mysql2 gives no code, by their messages. */
const UNCODED = new Map([
  ['Queue limit reached.', 'QUEUE_FULL'],
  ["Can't add new command when connection is in closed state", 'CONNECTION_CLOSED'],
]);

const rowFaults = new WeakSet<object>();
const deadlocks = new WeakSet<object>();
const cuts = new WeakSet<object>();

/**
 * Wraps what mysql2 rejects with. Only code, number and state are taken over: the original holds the statement, and its
 * message may hold values of rows.
 */
export function mysqlError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const { code, errno, sqlState } = error as { code?: unknown; errno?: unknown; sqlState?: unknown };
  const number = typeof errno === 'number' ? errno : 0;
  const uncoded = error instanceof Error ? UNCODED.get(error.message) : undefined;
  const name = typeof code === 'string' && CODE_TEXT.test(code) ? code : (uncoded ?? 'UNKNOWN');
  const detail = [name, number > 0 ? number : null, sqlState].filter((part) => part).join(' ');
  const wrapped = errorOf(number, detail);
  if (ROW_FAULTS.has(number)) rowFaults.add(wrapped);
  if (DEADLOCKS.has(number)) deadlocks.add(wrapped);
  if (CUTS.has(name)) cuts.add(wrapped);
  return wrapped;
}

function errorOf(number: number, detail: string): SluiceError {
  if (RIGHTS.has(number))
    return new SluiceError('E4002', 'the store refuses the account', {
      detail,
      remedy:
        'Check name and password, and grant SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX and CREATE VIEW on the store’s database.',
    });
  if (SCHEMA.has(number))
    return new SluiceError('E4002', 'the store lacks its database or tables', {
      detail,
      remedy: 'Create the database; sluice creates its tables when it starts.',
    });
  if (ROW_FAULTS.has(number))
    return new SluiceError('E4002', 'the store cannot hold a row', {
      detail,
      remedy: 'Raise max_allowed_packet on the server.',
    });
  if (DEADLOCKS.has(number))
    return new SluiceError('E4001', 'the store was locked by others', { detail, retriable: true });
  return new SluiceError('E4001', 'the store is unreachable', {
    detail,
    remedy: 'Check that the server runs, can be written and has room on its disk.',
    retriable: true,
  });
}

export function timeoutError(what: string, timeoutMs: number): SluiceError {
  return new SluiceError('E4001', 'the store does not answer', {
    detail: `${what} took more than ${timeoutMs} ms`,
    retriable: true,
  });
}

export function isRowFault(error: unknown): boolean {
  return typeof error === 'object' && error !== null && rowFaults.has(error);
}

export function isDeadlock(error: unknown): boolean {
  return typeof error === 'object' && error !== null && deadlocks.has(error);
}

/** Whether a connection broke off: the next one may be well. */
export function isCut(error: unknown): boolean {
  return typeof error === 'object' && error !== null && cuts.has(error);
}
