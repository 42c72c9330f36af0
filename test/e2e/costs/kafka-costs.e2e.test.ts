import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import kafkajs from 'kafkajs';
import { asyncScheduler } from 'rxjs';
import { TopicUnderTest } from '../../../bench/topic-under-test.ts';
import { type KafkaSourceOptions, kafkaSource } from '../../../src/sources/kafka-source.ts';
import { SourceReader } from '../../sources/source-reader.ts';
import { eventually } from '../../support/eventually.ts';
import { type Kafka, remove, startKafka } from '../stack.ts';
import { exceeding } from './bounds.ts';
import { loadOf } from './fed-service.ts';
import { FETCH, OFFSET_COMMIT, RequestCounter } from './request-counter.ts';

const load = loadOf('unique', 4);
let counter: RequestCounter;
let kafka: Kafka;
let topic: TopicUnderTest;

before(async () => {
  counter = await RequestCounter.listen();
  kafka = await startKafka({ advertised: [counter.port] });
  const [host = '', port = ''] = kafka.via[0]?.split(':') ?? [];
  counter.target = { host, port: Number(port) };
  topic = await TopicUnderTest.fill(kafka.brokers, load);
});

after(async () => {
  await counter?.close();
  if (kafka !== undefined) await remove([kafka]);
});

/**
 * Four partitions of 2.0 MB, 1 MiB of each and 2 MiB in an answer: two or three parts of each, two parts an answer, in an order
 * that the client draws, so that the last may come alone. The next fetch is under way when the last record is handed on.
 */
const BOUNDS = { fetches: 9, commits: 1 };

/** Records that are produced one by one, each when the one before is acknowledged. */
const TRICKLE = 100;
/** How long the command lets a fetch wait with the default window. */
const WAIT_MS = 150;

/** Fetches while records trickle into a topic of their own, and how long that took. */
async function countTrickle(
  name: string,
  options: Partial<KafkaSourceOptions>,
): Promise<{ fetches: number; tookMs: number }> {
  const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.ERROR });
  const producer = client.producer({ allowAutoTopicCreation: false });
  const admin = client.admin();
  await Promise.all([producer.connect(), admin.connect()]);
  const reader = new SourceReader({ bytes: 128 << 20, changes: 500_000 });
  const source = sourceOf(reader, name, `${name}-group`, options);
  const send = () => producer.send({ topic: name, acks: -1, messages: [{ value: '{}' }] });
  try {
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic: name, numPartitions: 1 }] });
    reader.read(source);
    await send();
    await eventually('the first record is read', () => reader.count === 1, { everyMs: 1 });
    const before = counter.of(FETCH);
    const startedMs = performance.now();
    for (let sent = 0; sent < TRICKLE; sent += 1) await send();
    await eventually('every record is read', () => reader.count === 1 + TRICKLE, { everyMs: 1 });
    return { fetches: counter.of(FETCH) - before, tookMs: performance.now() - startedMs };
  } finally {
    await source.close();
    await Promise.all([producer.disconnect(), admin.disconnect()]);
  }
}

function sourceOf(reader: SourceReader, name: string, groupId: string, options: Partial<KafkaSourceOptions>) {
  const registry = { registration: async () => null, register: async () => undefined, positions: async () => [] };
  return kafkaSource({
    brokers: [`127.0.0.1:${counter.port}`],
    groupId,
    topics: [name],
    inFlight: reader.inFlight,
    registry,
    scheduler: asyncScheduler,
    commitIntervalMs: 3_600_000,
    onEvent: () => undefined,
    ...options,
  });
}

/** Reads the full topic as a group of its own, settles everything and commits once. */
async function countReading(options: Partial<KafkaSourceOptions> = {}): Promise<{ fetches: number; commits: number }> {
  const reader = new SourceReader({ bytes: 128 << 20, changes: 500_000 });
  const groupId = topic.freshGroup();
  const source = sourceOf(reader, topic.name, groupId, options);
  const before = { fetches: counter.of(FETCH), commits: counter.of(OFFSET_COMMIT) };
  let fetches = Number.NaN;
  try {
    reader.read(source);
    await eventually('every record is read', () => reader.count === load.summary.records, { everyMs: 1 });
    fetches = counter.of(FETCH) - before.fetches;
    await source.commit();
    const commits = counter.of(OFFSET_COMMIT) - before.commits;
    await topic.check(groupId);
    return { fetches, commits };
  } finally {
    await source.close();
  }
}

test('10,000 records are fetched in few requests, and positions of all partitions committed in one', async () => {
  const counts = await countReading();
  assert.deepEqual(exceeding(counts, BOUNDS), [], JSON.stringify(counts));
});

test('the bounds refuse a source that asks for little at a time', async () => {
  const counts = await countReading({ maxBytesPerPartition: 128 << 10 });
  assert.deepEqual(exceeding(counts, BOUNDS), ['fetches'], JSON.stringify(counts));
});

test('records that trickle in are fetched together by a source that may wait, as the command does', async () => {
  const { fetches, tookMs } = await countTrickle('trickle-together', { minBytes: 512 << 10, maxWaitMs: WAIT_MS });
  const bound = Math.floor(tookMs / WAIT_MS) + 2;
  assert.ok(fetches <= bound, `${fetches} fetches in ${tookMs} ms`);
});

test('the bound refuses a source that fetches each of them', async () => {
  const { fetches, tookMs } = await countTrickle('trickle-apart', { minBytes: 1 });
  const bound = Math.floor(tookMs / WAIT_MS) + 2;
  assert.ok(fetches > bound, `${fetches} fetches in ${tookMs} ms`);
});
