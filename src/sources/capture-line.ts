import type { LogRecord } from '../pipeline/change.ts';

/** A record and the partition it belongs to. */
export interface PlacedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record: LogRecord;
}

const MAX_OFFSET = 2 ** 44 - 2; // what a version has room for
const MAX_PARTITION = 1_000_000;

/**
 * The record of a capture line `{topic, partition, offset, timestamp, key, value}`: the value is text or null, numbers may
 * be text, everything but `offset` and `value` may be missing. Null when the line is anything else: then it is a value.
 */
export function captureLine(
  bytes: Buffer,
  defaults: { readonly topic: string; readonly timestampMs: number },
): PlacedRecord | null {
  // Parsing every raw value once only to find out that it is one would double the work.
  if (!bytes.includes('"offset"') || !bytes.includes('"value"')) return null;
  const line = parse(bytes);
  if (line === null || !('value' in line)) return null;
  const { key = null, partition = 0, timestamp = defaults.timestampMs, topic = defaults.topic, value } = line;
  const offset = wholeNumber(line.offset, MAX_OFFSET);
  const number = wholeNumber(partition, MAX_PARTITION);
  const timestampMs = wholeNumber(timestamp, Number.MAX_SAFE_INTEGER);
  if (offset === null || number === null || timestampMs === null) return null;
  if (!isText(value) || !isText(key) || typeof topic !== 'string' || topic === '') return null;
  return { topic, partition: number, record: { offset, timestampMs, key: bytesOf(key), value: bytesOf(value) } };
}

function parse(bytes: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function wholeNumber(value: unknown, max: number): number | null {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= max ? number : null;
}

function isText(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text);
}
