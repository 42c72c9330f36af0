import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { before, test } from 'node:test';
import fc from 'fast-check';
import kafkajs from 'kafkajs';
import {
  type DecodeRecords,
  decodeRecordBatches,
  FetchedRecord,
  leanDecoder,
  type ResponseDecoder,
} from '../../src/sources/kafka-records.ts';
import { patchFetches, patchKafkajs } from '../../src/sources/kafkajs-patches.ts';
import { type BatchShape, encodeBatch, encodeBatches, withLength } from './record-batch-bytes.ts';

interface Batch {
  readonly messages: readonly Message[];
  isEmpty(): boolean;
  isEmptyDueToFiltering(): boolean;
  firstOffset(): string | number | null;
  lastOffset(): string | number;
  offsetLag(): string;
}

interface Message {
  readonly offset: string | number;
  readonly timestamp?: string;
  readonly timestampMs?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

const require = createRequire(import.meta.url);
const KafkajsBatch = require('kafkajs/src/consumer/batch') as new (topic: string, from: string, data: object) => Batch;
const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => ResponseDecoder;
const theirs = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages') as DecodeRecords;
const ours = leanDecoder(theirs);

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const batch: fc.Arbitrary<BatchShape> = fc.record({
  gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1e9 })),
  records: fc.array(
    fc.record({
      gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1e6 })),
      timestampDelta: fc.oneof(fc.nat(200), fc.integer({ min: -(2 ** 50), max: 2 ** 50 })),
      key: fc.option(bytes),
      value: fc.option(bytes),
      headers: fc.dictionary(fc.string({ minLength: 1 }), bytes, { maxKeys: 2 }),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  compression: fc.constantFrom(0, 0, 0, 1, 2, 3, 4),
  firstTimestamp: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 4e12 })),
  maxTimestamp: fc.integer({ min: 0, max: 4e12 }),
  isAppendTime: fc.boolean(),
  isTransactional: fc.boolean(),
  isControl: fc.boolean(),
  producerId: fc.integer({ min: -1, max: 2 }),
});
const batches = fc.array(batch, { minLength: 1, maxLength: 4 });
const baseOffset = fc.oneof(fc.nat(1000), fc.integer({ min: 0, max: 2 ** 44 }));
const one: BatchShape = {
  gap: 0,
  records: [0, 1, 2].map((index) => {
    return {
      gap: 0,
      timestampDelta: index,
      key: Buffer.from(`key ${index}`),
      value: Buffer.from('value'),
      headers: {},
    };
  }),
  compression: 0,
  firstTimestamp: 1000,
  maxTimestamp: 9000,
  isAppendTime: false,
  isTransactional: false,
  isControl: false,
  producerId: -1,
};

before(() => {
  patchKafkajs(); // for the codecs
});

test('record batches are read as kafkajs reads them, wherever they are cut off and fetching began', async () => {
  const cut = fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 3 });
  const aborted = fc.array(fc.record({ producerId: fc.integer({ min: 0, max: 2 }), place: fc.nat(20) }), {
    maxLength: 3,
  });
  const property = fc.asyncProperty(
    baseOffset,
    batches,
    cut,
    aborted,
    fc.nat(20),
    async (base, shapes, at, list, skip) => {
      const whole = await encodeBatches(base, shapes);
      const answer = withLength(at === null ? whole : whole.subarray(0, Math.round(at * whole.length)));
      const [got, expected] = await Promise.all([decoded(ours, answer), decoded(theirs, answer)]);
      if (typeof expected === 'string' || typeof got === 'string') return assert.equal(got, expected);
      assert.deepEqual(got.messages.map(view), expected.messages.map(view));
      assert.equal(got.offset, expected.offset);

      const all = expected.messages.map(({ offset }) => String(offset));
      const abortedTransactions = list
        .map(({ producerId, place }) => ({ producerId: String(producerId), firstOffset: all[place] ?? String(base) }))
        .sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset));
      const from = all[skip] ?? String(base);
      const data = { partition: 0, highWatermark: String(2 ** 45), abortedTransactions };
      const [batch, reference] = [got, expected].map(
        ({ messages }) => new KafkajsBatch('t', from, { ...data, messages }),
      );
      assert.deepEqual(summary(batch as Batch), summary(reference as Batch));
    },
  );
  await fc.assert(property, { numRuns: 500 });
});

test('records of every codec are read, and of an empty batch none', async () => {
  for (const compression of [0, 1, 2, 3, 4]) {
    const packed = await encodeBatch(40, { ...one, compression });
    const records = await decodeRecordBatches(Buffer.concat([packed, await encodeBatch(43, { ...one, records: [] })]));
    const plain = records.map(({ offset, timestampMs, key, value }) => [
      offset,
      timestampMs,
      String(key),
      String(value),
    ]);
    assert.deepEqual(
      plain,
      [0, 1, 2].map((index) => [40 + index, 1000 + index, `key ${index}`, 'value']),
      `codec ${compression}`,
    );
  }
});

test('keys and values are parts of the fetched buffer', async () => {
  const buffer = await encodeBatch(0, one);
  for (const { key, value } of await decodeRecordBatches(buffer))
    assert.deepEqual([key?.buffer === buffer.buffer, value?.buffer === buffer.buffer], [true, true]);
});

test('damaged record batches give records in order or an error of kafkajs, and nothing else', async () => {
  const damage = fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { minLength: 1, maxLength: 6 });
  let refused = 0;
  const property = fc.asyncProperty(batches, damage, async (shapes, changes) => {
    const whole = Buffer.from(await encodeBatches(0, shapes));
    for (const [at, byte] of changes) whole[at % whole.length] = byte;
    if (!(await isReadable(whole))) refused += 1;
  });
  await fc.assert(property, { numRuns: 1000 });
  assert.ok(refused > 100, `${refused} were refused`);
});

test('any bytes behind the head of a batch give records in order or an error of kafkajs, and nothing else', async () => {
  const body = fc.uint8Array({ maxLength: 200 });
  const property = fc.asyncProperty(body, fc.integer({ min: -2, max: 5 }), async (bytes, count) => {
    const head = (await encodeBatch(0, { ...one, records: [] })).subarray();
    head.writeInt32BE(head.length - 12 + bytes.length, 8);
    head.writeInt32BE(count, 57);
    await isReadable(Buffer.concat([head, bytes]));
  });
  await fc.assert(property, { numRuns: 1000 });
});

test('lengths and counts that cannot be are refused', async () => {
  const cases: [message: RegExp, damage: (buffer: Buffer) => void][] = [
    [/a record batch of 0 bytes/, (buffer) => buffer.writeInt32BE(0, 8)],
    [/a record batch of -12 bytes/, (buffer) => buffer.writeInt32BE(-12, 8)],
    [/record 3 of 2147483647/, (buffer) => buffer.writeInt32BE(2 ** 31 - 1, 57)],
    [/belong to no record/, (buffer) => buffer.writeInt32BE(2, 57)],
    [/belong to no record/, (buffer) => buffer.writeInt32BE(-1, 57)],
    [/offset -5 after -1/, (buffer) => buffer.writeBigInt64BE(-5n, 0)],
    [/not safe/, (buffer) => buffer.writeBigInt64BE(2n ** 53n, 0)],
    [/compression 7/, (buffer) => buffer.writeInt16BE(7, 21)],
    [/compressed records: incorrect header check/, (buffer) => buffer.writeInt16BE(1, 21)],
    [/record 0 of 3 is longer/, (buffer) => buffer.writeInt8(0, 61)],
    [/record 0 of 3 is longer/, (buffer) => buffer.writeInt8(126, 61)],
    [/more than 5 bytes/, (buffer) => buffer.fill(0xff, 61)],
    [/more than 10 bytes/, (buffer) => buffer.fill(0xff, 63)],
    [/record 0 of 3 is longer/, (buffer) => buffer.writeInt8(126, 65)],
    [/-2 bytes/, (buffer) => buffer.writeInt8(3, 65)],
    [/offset 1 after 2/, (buffer) => buffer.writeInt8(4, 64)],
  ];
  for (const [message, damage] of cases) {
    const buffer = Buffer.from(await encodeBatch(0, one));
    damage(buffer);
    await assert.rejects(decodeRecordBatches(buffer), { name: 'KafkaJSError', retriable: true, message });
  }
});

test('reading ends before a batch of another format, and kafkajs reads what begins with one', async () => {
  const old = Buffer.from(await encodeBatch(3, one));
  old.writeInt8(1, 16);
  const mixed = await decodeRecordBatches(Buffer.concat([await encodeBatch(0, one), old]));
  assert.deepEqual(
    mixed.map(({ offset }) => offset),
    [0, 1, 2],
  );
  const asked: ResponseDecoder[] = [];
  const decode = leanDecoder(async (decoder) => {
    asked.push(decoder);
    return [];
  });
  const short = Buffer.concat([withLength(Buffer.alloc(9)), Buffer.alloc(20, 2)]);
  const cut = withLength(await encodeBatch(0, one)).subarray(0, -1);
  for (const answer of [withLength(old), withLength(Buffer.alloc(0)), short, cut, Buffer.alloc(2)]) {
    const decoder = new Decoder(answer);
    await decode(decoder);
    assert.deepEqual([asked.pop(), decoder.offset], [decoder, 0]);
  }
});

test('a kafkajs that has begun to decode fetches is left alone', () => {
  assert.match(patchFetches().join(), /^fetches are decoded by kafkajs: it has begun to$/);
  assert.equal(patchFetches(), patchFetches());
});

/** Also how far the answer is read; an error's name where there is one. */
async function decoded(decode: DecodeRecords, answer: Buffer) {
  const decoder = new Decoder(answer);
  try {
    const messages = (await decode(decoder)) as readonly Message[];
    return { messages, offset: decoder.offset };
  } catch (error) {
    return (error as Error).name;
  }
}

async function isReadable(buffer: Buffer): Promise<boolean> {
  try {
    const records = await decodeRecordBatches(buffer);
    for (const [index, record] of records.entries()) {
      assert.ok(record instanceof FetchedRecord);
      assert.ok(record.offset > (records[index - 1]?.offset ?? -1));
    }
    return true;
  } catch (error) {
    assert.ok(error instanceof kafkajs.KafkaJSError, String(error));
    return false;
  }
}

function view({ offset, timestamp, timestampMs, key, value, isControlRecord, batchContext }: Message) {
  const { producerId, inTransaction } = batchContext;
  const time = timestampMs ?? Number(timestamp);
  return { offset: Number(offset), time, key, value, isControlRecord, producerId, inTransaction };
}

function summary(batch: Batch) {
  return {
    messages: batch.messages.map(view),
    isEmpty: batch.isEmpty(),
    isPassed: batch.isEmptyDueToFiltering(),
    first: Number(batch.firstOffset() ?? -1),
    last: Number(batch.lastOffset()),
    lag: batch.offsetLag(),
  };
}
