import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import { FetchedRecord } from '../../src/sources/kafka-records.ts';
import {
  findLater,
  keepPosition,
  OUT_OF_RANGE,
  patchFetches,
  patchKafkajs,
  restWhenIdle,
} from '../../src/sources/kafkajs-patches.ts';
import { encodeBatch, withLength } from './record-batch-bytes.ts';

const require = createRequire(import.meta.url);

test('the pinned kafkajs takes every patch, once', () => {
  assert.deepEqual(patchKafkajs(), []);
  assert.equal(patchKafkajs(), patchKafkajs());
});

test('the pinned kafkajs reads fetches with our decoder, in every version of the answer that has record batches', async () => {
  assert.deepEqual(patchFetches(), []);
  assert.equal(patchFetches(), patchFetches());
  const record = { gap: 0, timestampDelta: 5, key: null, value: Buffer.from('v'), headers: {} };
  const flags = { isAppendTime: false, isTransactional: false, isControl: false, producerId: -1 };
  const times = { firstTimestamp: 1000, maxTimestamp: 1005 };
  const batch = await encodeBatch(7, { ...flags, ...times, gap: 0, compression: 0, records: [record] });
  for (const version of [4, 5, 6, 7, 8, 9, 10, 11]) {
    const { decode } = require(`kafkajs/src/protocol/requests/fetch/v${version}/response`) as FetchResponse;
    const { responses } = await decode(fetchAnswer(version, withLength(batch)));
    const [message] = responses[0]?.partitions[0]?.messages ?? [];
    assert.ok(message instanceof FetchedRecord, `version ${version}`);
    assert.deepEqual([message.offset, message.timestampMs, message.key, String(message.value)], [7, 1005, null, 'v']);
  }
});

test('every codec of Kafka gives back what it compressed', async () => {
  patchKafkajs();
  const { GZIP, LZ4, Snappy, ZSTD } = kafkajs.CompressionTypes;
  for (const type of [GZIP, Snappy, LZ4, ZSTD] as const) {
    for (const buffer of [Buffer.alloc(0), Buffer.from('x'.repeat(70_000)), randomBytes(5000)]) {
      const codec = kafkajs.CompressionCodecs[type]();
      const packed = await codec.compress({ buffer });
      assert.deepEqual(Buffer.from(await codec.decompress(packed)), buffer, `codec ${type}, ${buffer.length} bytes`);
    }
  }
});

test('a connection without waiting requests arms no timer', () => {
  const queue = requestQueue();
  queue.fulfillRequest({ correlationId: 1, payload: null, size: 0 });
  assert.equal(queue.throttleCheckTimeoutId, null);
});

test('a waiting request and a throttle still arm the timer', () => {
  const waiting = requestQueue();
  waiting.pending.push({});
  waiting.maxInFlightRequests = 0; // so that it goes on waiting
  waiting.scheduleCheckPendingRequests();
  assert.notEqual(waiting.throttleCheckTimeoutId, null);
  waiting.destroy();
  const throttled = requestQueue();
  throttled.maybeThrottle(60_000);
  throttled.scheduleCheckPendingRequests();
  assert.notEqual(throttled.throttleCheckTimeoutId, null);
  throttled.destroy();
});

test('the timer patch calls what was there before, and only when needed', () => {
  const calls: string[] = [];
  const prototype = {
    pending: [] as unknown[],
    throttledUntil: -1,
    scheduleCheckPendingRequests: () => calls.push('armed'),
  };
  restWhenIdle(prototype as never);
  prototype.scheduleCheckPendingRequests();
  assert.deepEqual(calls, []);
  prototype.pending.push({});
  prototype.scheduleCheckPendingRequests();
  assert.deepEqual(calls, ['armed']);
});

test('a position outside the log is never reset: the consumer gets an error that it does not retry', async () => {
  const prototype = { setDefaultOffset: async () => undefined };
  keepPosition(prototype as never);
  await assert.rejects(
    (prototype.setDefaultOffset as (place: object) => Promise<void>)({ topic: 'shop', partition: 3 }),
    {
      name: OUT_OF_RANGE,
      message: 'shop/3',
      retriable: false,
    },
  );
});

test('a coordinator that cannot be found is asked for again, other failures stay what they are', async () => {
  // Its types forget the message, without which it throws.
  const NotFound = kafkajs.KafkaJSGroupCoordinatorNotFound as unknown as new (message: string) => Error;
  const failures = [new NotFound('not found'), new kafkajs.KafkaJSNonRetriableError('no')];
  const prototype = { findGroupCoordinatorMetadata: (): Promise<unknown> => Promise.reject(failures.shift()) };
  findLater(prototype);
  await assert.rejects(prototype.findGroupCoordinatorMetadata(), { message: 'not found', retriable: true });
  await assert.rejects(prototype.findGroupCoordinatorMetadata(), { message: 'no', retriable: false });
});

interface FetchResponse {
  decode(answer: Buffer): Promise<{ responses: { partitions: { messages: object[] }[] }[] }>;
}

/** The answer to a fetch from partition 3 of topic `t`. */
function fetchAnswer(version: number, records: Buffer): Buffer {
  const Encoder = require('kafkajs/src/protocol/encoder') as new () => Encoder;
  const answer = new Encoder().writeInt32(0);
  if (version >= 7) answer.writeInt16(0).writeInt32(0); // error and session
  answer.writeInt32(1).writeString('t').writeInt32(1).writeInt32(3).writeInt16(0).writeInt64(8).writeInt64(8);
  if (version >= 5) answer.writeInt64(0); // where the log starts
  answer.writeInt32(-1); // no aborted transactions
  if (version >= 11) answer.writeInt32(-1); // no preferred replica
  return answer.writeBuffer(records).buffer;
}

interface Encoder {
  readonly buffer: Buffer;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: number): Encoder;
  writeString(value: string): Encoder;
  writeBuffer(value: Buffer): Encoder;
}

interface RequestQueue {
  pending: unknown[];
  maxInFlightRequests: number | null;
  throttleCheckTimeoutId: unknown;
  fulfillRequest(response: { correlationId: number; payload: null; size: number }): void;
  maybeThrottle(ms: number): void;
  scheduleCheckPendingRequests(): void;
  destroy(): void;
}

function requestQueue(): RequestQueue {
  patchKafkajs();
  const Queue = require('kafkajs/src/network/requestQueue') as new (options: object) => RequestQueue;
  const silent = { debug: () => undefined, warn: () => undefined };
  return new Queue({ maxInFlightRequests: 1, requestTimeout: 1000, clientId: 'test', broker: 'b', logger: silent });
}
