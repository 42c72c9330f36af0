import { hash } from 'node:crypto';
import type { JsonDocument } from './json-document.ts';
import type { Ticket } from './position.ts';

/** A source table and the one index it is paired with. One object per table and process, so tables compare by identity. */
export interface Table {
  readonly database: string;
  readonly name: string;
  /** `database.name`, as configuration and logs write it. */
  readonly qualified: string;
  /** The Elasticsearch index (or alias) of this table: lower case, at most 255 bytes. */
  readonly index: string;
  /** Elasticsearch `properties` of the columns seen so far, or null before the first row. Kept current by the format. */
  mapping: Readonly<Record<string, object>> | null;
}

/** A record as the log holds it. */
export interface LogRecord {
  readonly offset: number;
  /** Milliseconds since 1970, as the broker (or the capture) stamped it. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** A slice of one partition, in offset order. May be empty: it still moves the position. */
export interface RecordBatch {
  readonly topic: string;
  readonly partition: number;
  /** Version space of these records: see `versionOf`. A batch never crosses an epoch boundary. */
  readonly epoch: number;
  readonly records: readonly LogRecord[];
  readonly ticket: Ticket;
}

/** What one row change asks of the index. Immutable; `document` is finished JSON. */
export interface Change {
  readonly table: Table;
  /** Document id: the encoded primary key, 1 to 512 bytes of UTF-8, distinct for distinct keys. */
  readonly key: string;
  /** What to do with the document. A key change is two: delete(old), then upsert(new). */
  readonly op: 'upsert' | 'delete';
  /** What the source said, in the words of the journal and the Redis buffer. */
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE';
  /**
   * JSON of the row after the change; of the row before it for DELETE (journal and buffer show it, the index does not need it).
   */
  readonly document: JsonDocument;
  /** Place in the log as one number; see `versionOf`. */
  readonly version: number;
  readonly offset: number;
  /** Place inside the record: changes of one record share a version and are ordered by this. */
  readonly ordinal: number;
  /** The record's Kafka timestamp, milliseconds. */
  readonly timestampMs: number;
}

/** All changes of one RecordBatch, unfolded and in log order, under the same ticket. Also one page of recovered keys. */
export interface ChangeBatch {
  readonly topic: string;
  readonly partition: number;
  readonly changes: readonly Change[];
  readonly ticket: Ticket;
  /** What the in-flight limit was charged for this batch; given back when it enters the fold. Operators carry it along. */
  readonly load: { readonly bytes: number; readonly changes: number };
}

/** A record, or one row of it, that cannot be applied. It becomes a dead letter before the position may pass it. */
export interface Rejection {
  /** Closed list, kebab-case: `not-json`, `no-primary-key`, `statement-format`, `unordered-key-change`, `document-rejected`, … */
  readonly reason: string;
  /** One line for the operator, without row values: which field, which rule, an Elasticsearch `error.type`. */
  readonly detail: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly version: number;
  /** Set when table and key are known: a newer settled version of the key then closes the letter. */
  readonly table: Table | null;
  readonly key: string | null;
  readonly op: 'upsert' | 'delete' | null;
  /** The document, or the record's value as text, cut at 64 KiB. */
  readonly body: string;
}

const EPOCH_SIZE = 2 ** 44;
const MAX_EPOCH = 511;

/**
 * The version of every change of a record: `epoch · 2^44 + offset + 1`. The same record gives the same version on every
 * retry, replay and recovery; a later record of the partition, or any record of a later epoch, gives a larger one.
 *
 * @throws RangeError when the epoch is not 0 to 511 or the offset not 0 to 2^44 - 2: the sum would not be a safe integer.
 */
export function versionOf(epoch: number, offset: number): number {
  if (!(epoch >= 0 && epoch <= MAX_EPOCH)) throw new RangeError(`epoch must be 0 to ${MAX_EPOCH}, got ${epoch}`);
  if (!(offset >= 0 && offset < EPOCH_SIZE - 1)) throw new RangeError(`offset must be 0 to 2^44 - 2, got ${offset}`);
  return epoch * EPOCH_SIZE + offset + 1;
}

/** The epoch and offset that `versionOf` made a version from. */
export function placeOf(version: number): { epoch: number; offset: number } {
  const epoch = Math.floor((version - 1) / EPOCH_SIZE);
  return { epoch, offset: version - 1 - epoch * EPOCH_SIZE };
}

/** Longer documents get a buffer of their own to be hashed from. */
const HASHED_BYTES = 64 << 10;
const hashed = Buffer.allocUnsafeSlow(HASHED_BYTES);

/** SHA-1 of a document in hex, SQL's `SHA1(data)`: the `checksum` of the Redis buffer and the journal. Detects damage, promises no secrecy. */
export function checksumOf(document: JsonDocument): string {
  const { length } = document;
  if (length > HASHED_BYTES) return hash('sha1', Buffer.from(document, 'latin1'), 'hex');
  hashed.write(document, 'latin1');
  return hash('sha1', hashed.subarray(0, length), 'hex');
}

/** Bytes a change is accounted with while it is held: its document, two a character of its key, and a share for objects and map slots. */
export function sizeOf(change: Change): number {
  return 320 + change.document.length + 2 * change.key.length;
}

/** Bytes a batch of records is accounted with until it is parsed: what a source charges and the parser gives back. */
export function recordsSize(records: readonly LogRecord[]): number {
  let bytes = 200 * records.length;
  for (const record of records) bytes += record.value?.length ?? 0;
  return bytes;
}
