import { createRequire } from 'node:module';

export interface BatchShape {
  /** Offsets that are missing before the batch. */
  readonly gap: number;
  readonly records: readonly RecordShape[];
  /** 0 to 4: none, gzip, snappy, lz4, zstd. */
  readonly compression: number;
  readonly firstTimestamp: number;
  readonly maxTimestamp: number;
  readonly isAppendTime: boolean;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly producerId: number;
}

export interface RecordShape {
  /** Offsets that are missing before the record. */
  readonly gap: number;
  readonly timestampDelta: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
}

interface Encoded {
  readonly buffer: Buffer;
}

const require = createRequire(import.meta.url);
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0/index') as {
  RecordBatch(fields: object): Promise<Encoded>;
};
const Record = require('kafkajs/src/protocol/recordBatch/record/v0/index') as (fields: object) => Encoded;

/** One record batch as kafkajs writes it, with the attributes that it never sets. */
export async function encodeBatch(firstOffset: number, shape: BatchShape): Promise<Buffer> {
  let next = 0;
  const records = shape.records.map(({ gap, ...fields }) => {
    const offsetDelta = next + gap;
    next = offsetDelta + 1;
    return Record({ ...fields, offsetDelta });
  });
  const { compression, firstTimestamp, maxTimestamp, producerId, isTransactional: transactional } = shape;
  const fields = { compression, firstTimestamp, maxTimestamp, producerId, transactional, firstOffset, records };
  const { buffer } = await RecordBatch({ ...fields, lastOffsetDelta: next - 1 });
  const attributes = (shape.isAppendTime ? 0x08 : 0) | (shape.isControl ? 0x20 : 0);
  buffer.writeInt16BE(buffer.readInt16BE(21) | attributes, 21);
  return buffer;
}

/** Record batches one after the other, the first from `firstOffset` on. */
export async function encodeBatches(firstOffset: number, shapes: readonly BatchShape[]): Promise<Buffer> {
  const encoded: Buffer[] = [];
  let next = firstOffset;
  for (const shape of shapes) {
    next += shape.gap;
    encoded.push(await encodeBatch(next, shape));
    next += shape.records.reduce((sum, { gap }) => sum + gap + 1, 0);
  }
  return Buffer.concat(encoded);
}

/** The records of a partition as they are in the answer to a fetch. */
export function withLength(records: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(records.length);
  return Buffer.concat([length, records]);
}
