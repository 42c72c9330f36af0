import { isUtf8 } from 'node:buffer';
import type { Row, RowShape } from './row-plan.ts';

/** A Canal message, checked so far that reading it cannot fail. */
export interface CanalRecord extends RowShape {
  /** Upper case. */
  readonly type: string;
  readonly isDdl: boolean;
  /** `""` where the message names none. */
  readonly database: string;
  readonly table: string;
  readonly data: readonly Row[] | null;
  readonly old: readonly (Row | null)[] | null;
  readonly sql: string;
  /** U+FFFD is in it: what Canal makes of text that is not UTF-8 in the binlog. */
  readonly isDamaged: boolean;
}

/** Why a value is no Canal message: a rejection's reason and detail. */
export interface UnreadableRecord {
  readonly reason: string;
  readonly detail: string;
}

const BODY_BYTES = 65_536;

/** JSON.parse with the source of numbers and JSON.rawJSON: part of V8 since Node 21, not yet in TypeScript's library. */
const exactJson = JSON as unknown as {
  parse(text: string, revive: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(source: string): object;
};

/** Why a value cannot be read as text; null when it can. */
export function problemOf(value: Buffer, maxBytes: number): UnreadableRecord | null {
  if (value.length === 0) return { reason: 'empty-value', detail: 'the record has a value of 0 bytes' };
  if (value.length > maxBytes) {
    return { reason: 'record-too-large', detail: `${value.length} bytes, the limit is ${maxBytes}` };
  }
  if (!isUtf8(value)) return { reason: 'not-utf8', detail: `the value is not UTF-8 text${binaryHint(value)}` };
  return null;
}

/**
 * Reads a value that is UTF-8 text, with or without a byte order mark. Duplicate keys inside an object are not seen: the
 * last one wins, as in any JSON.parse.
 */
export function readCanalRecord(value: Buffer): CanalRecord | UnreadableRecord {
  const text = value.toString('utf8', hasMark(value) ? 3 : 0);
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return { reason: 'not-json', detail: `the value is not one JSON text${binaryHint(value)}` };
  }
  if (!isRow(message)) return { reason: 'not-an-object', detail: 'the value is JSON, but no object' };
  return checked(message, text);
}

/** The value as text for a dead letter, at most 64 KiB of UTF-8. */
export function bodyOf(value: Buffer | null): string {
  return value === null ? '' : cutBody(value.toString('utf8', 0, Math.min(value.length, BODY_BYTES)));
}

/** Text for a dead letter, at most 64 KiB of UTF-8. */
export function cutBody(text: string): string {
  if (text.length * 3 <= BODY_BYTES || Buffer.byteLength(text) <= BODY_BYTES) return text;
  return Buffer.from(text)
    .subarray(0, BODY_BYTES)
    .toString()
    .replace(/\ufffd+$/, '');
}

function checked(message: Row, text: string): CanalRecord | UnreadableRecord {
  const { data = null, old = null, mysqlType = null, sqlType = null, pkNames = null } = message;
  const malformed = (field: string, rule: string) => ({
    reason: 'malformed-record',
    detail: `${field} is not ${rule}`,
  });
  if (typeof message.type !== 'string') return malformed('type', 'a text');
  if (data !== null && !(Array.isArray(data) && data.every(isRow))) return malformed('data', 'an array of objects');
  if (old !== null && !(Array.isArray(old) && old.every((row) => row === null || isRow(row)))) {
    return malformed('old', 'an array of objects');
  }
  if (mysqlType !== null && !isRow(mysqlType)) return malformed('mysqlType', 'an object');
  if (sqlType !== null && !isRow(sqlType)) return malformed('sqlType', 'an object');
  if (pkNames !== null && !(Array.isArray(pkNames) && pkNames.every((name) => typeof name === 'string'))) {
    return malformed('pkNames', 'an array of texts');
  }
  const record: CanalRecord = {
    type: message.type.trim().toUpperCase(),
    isDdl: message.isDdl === true || message.isDdl === 'true',
    database: typeof message.database === 'string' ? message.database : '',
    table: typeof message.table === 'string' ? message.table : '',
    sql: typeof message.sql === 'string' ? message.sql : '',
    isDamaged: text.includes('\ufffd'),
    data,
    old,
    mysqlType,
    sqlType,
    pkNames,
  };
  return data !== null && isTyped(data[0]) ? exactly(record, text) : record;
}

/** Canal writes every value as text; other writers send numbers, which a plain JSON.parse would round. */
function isTyped(row: Row | undefined): boolean {
  return row !== undefined && Object.values(row).some((value) => value !== null && typeof value !== 'string');
}

function exactly(record: CanalRecord, text: string): CanalRecord | UnreadableRecord {
  try {
    const { data, old = null } = exactJson.parse(text, (_, value, { source }) =>
      typeof value === 'number' && source !== undefined ? exactJson.rawJSON(source) : value,
    ) as Pick<CanalRecord, 'data' | 'old'>;
    return { ...record, data, old };
  } catch {
    return { reason: 'too-deep', detail: 'the value is nested too deeply' };
  }
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasMark(value: Buffer): boolean {
  return value[0] === 0xef && value[1] === 0xbb && value[2] === 0xbf;
}

/** What binary values on a JSON topic usually are. */
function binaryHint(value: Buffer): string {
  if (value[0] === 0) return '; it begins with a zero byte, as Avro and Protobuf of a schema registry do';
  return value[0] !== undefined && value[0] < 0x20 && value[0] !== 0x0a && value[0] !== 0x0d && value[0] !== 0x09
    ? "; set canal.mq.flatMessage=true if this is Canal's Protobuf form"
    : '';
}
