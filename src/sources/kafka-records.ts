import kafkajs from 'kafkajs';
import type { LogRecord } from '../pipeline/change.ts';

/** The base offset and the length, which counts what comes after it. */
const LENGTH_END = 12;
/** Where the records of a record batch begin. */
const RECORDS_START = 61;
const MAGIC_OFFSET = 16;
const MAGIC = 2;
const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/** What kafkajs asks of the record batch that a record came in. */
interface BatchContext {
  readonly producerId: string;
  readonly inTransaction: boolean;
  readonly isControl: boolean;
}

/**
 * A record of a fetch. It is handed on as it is, and kafkajs reads it between: its offset is a number there too, and its
 * headers, which nothing of ours reads, are left out. Key and value are parts of the fetched buffer.
 */
export class FetchedRecord implements LogRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly batchContext: BatchContext;

  constructor(
    offset: number,
    timestampMs: number,
    key: Buffer | null,
    value: Buffer | null,
    batchContext: BatchContext,
  ) {
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.key = key;
    this.value = value;
    this.batchContext = batchContext;
  }

  get isControlRecord(): boolean {
    return this.batchContext.isControl;
  }
}

/** The decoder of kafkajs, as far as it is needed here: `offset` is how far `buffer` is read. */
export interface ResponseDecoder {
  readonly buffer: Buffer;
  readonly offset: number;
  forward(bytes: number): void;
}

/** Reads the records of one partition in the answer to a fetch, with the four bytes of their length before them. */
export type DecodeRecords = (decoder: ResponseDecoder) => Promise<readonly object[]>;

/** Reads record batches in one pass, and leaves to `original` what else there may be: nothing, and older formats. */
export function leanDecoder(original: DecodeRecords): DecodeRecords {
  return async (decoder) => {
    const { buffer, offset } = decoder;
    const start = offset + 4;
    const size = start <= buffer.length ? buffer.readInt32BE(offset) : 0;
    const isWhole = size > MAGIC_OFFSET && start + size <= buffer.length;
    if (!isWhole || buffer[start + MAGIC_OFFSET] !== MAGIC) return original(decoder);
    decoder.forward(4 + size);
    return decodeRecordBatches(buffer.subarray(start, start + size));
  };
}

/**
 * The records of consecutive record batches (magic 2), in the order of their offsets. The last batch may be cut off and is
 * then left out, as is everything from a batch of another format on.
 *
 * @throws KafkaJSError, which is retriable, when the bytes are no record batches.
 */
export async function decodeRecordBatches(buffer: Buffer): Promise<FetchedRecord[]> {
  const records: FetchedRecord[] = [];
  let next: number;
  for (let start = 0; start + LENGTH_END <= buffer.length; start = next) {
    const length = buffer.readInt32BE(start + 8);
    if (length < RECORDS_START - LENGTH_END) throw unreadable(`a record batch of ${length} bytes`);
    next = start + LENGTH_END + length;
    if (next > buffer.length || buffer[start + MAGIC_OFFSET] !== MAGIC) break;
    const batch = buffer.subarray(start, next);
    const compression = batch.readInt16BE(21) & COMPRESSION_MASK;
    const body = batch.subarray(RECORDS_START);
    appendRecords(records, batch, compression === 0 ? body : await decompress(compression, body));
  }
  return records;
}

/** Appends the records in `body`; `batch` is what tells about them all. */
function appendRecords(records: FetchedRecord[], batch: Buffer, body: Buffer): void {
  const attributes = batch.readInt16BE(21);
  const baseOffset = int64(batch, 0);
  const baseTimestamp = int64(batch, 27);
  const appendTimestamp = (attributes & LOG_APPEND_TIME) === 0 ? null : int64(batch, 35);
  const count = batch.readInt32BE(57);
  if (!Number.isSafeInteger(baseOffset)) throw unreadable('an offset that is not safe');
  const context: BatchContext = {
    producerId: String(batch.readBigInt64BE(43)),
    inTransaction: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
  };
  const cursor = new Cursor(body);
  let last = records.at(-1)?.offset ?? -1;
  for (let index = 0; index < count; index += 1) {
    const end = cursor.varint() + cursor.at;
    cursor.at += 1; // attributes of the record, which have no meaning yet
    const timestamp = baseTimestamp + cursor.varlong();
    const offset = baseOffset + cursor.varint();
    const key = cursor.bytes();
    const value = cursor.bytes();
    if (cursor.at > end || end > body.length) throw unreadable(`record ${index} of ${count} is longer than it says`);
    if (offset <= last) throw unreadable(`offset ${offset} after ${last}`);
    last = offset;
    cursor.at = end;
    records.push(new FetchedRecord(offset, appendTimestamp ?? timestamp, key, value, context));
  }
  if (cursor.at !== body.length) throw unreadable('bytes that belong to no record');
}

/** Reads on from `at`. Behind the end there are zeros: whoever reads has to look where `at` came to. */
class Cursor {
  at = 0;
  private readonly buffer: Buffer;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  /** Zigzag, 32 bits. */
  varint(): number {
    const { buffer } = this;
    let byte = buffer[this.at++] as number;
    let bits = byte & 0x7f;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (shift > 28) throw unreadable('a number of more than 5 bytes');
      byte = buffer[this.at++] as number;
      bits |= (byte & 0x7f) << shift;
    }
    return (bits >>> 1) ^ -(bits & 1);
  }

  /** Zigzag, 64 bits; rounded outside the safe integers. */
  varlong(): number {
    const { buffer } = this;
    let byte = buffer[this.at++] as number;
    let bits = byte & 0x7f;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (shift > 63) throw unreadable('a number of more than 10 bytes');
      byte = buffer[this.at++] as number;
      bits += (byte & 0x7f) * 2 ** shift;
    }
    return bits % 2 === 0 ? bits / 2 : -(bits + 1) / 2;
  }

  /** A length and so many bytes; null for length -1. */
  bytes(): Buffer | null {
    const length = this.varint();
    if (length === -1) return null;
    if (length < 0) throw unreadable(`${length} bytes`);
    const start = this.at;
    this.at += length;
    return this.buffer.subarray(start, this.at);
  }
}

function int64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4);
}

async function decompress(compression: number, body: Buffer): Promise<Buffer> {
  const codec = (kafkajs.CompressionCodecs as Readonly<Record<number, (() => Codec) | undefined>>)[compression];
  if (codec === undefined) throw unreadable(`compression ${compression}`);
  try {
    return await codec().decompress(body);
  } catch (error) {
    throw unreadable(`compressed records: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface Codec {
  decompress(buffer: Buffer): Promise<Buffer>;
}

function unreadable(what: string): Error {
  return new kafkajs.KafkaJSError(`A fetch cannot be read: ${what}`);
}
