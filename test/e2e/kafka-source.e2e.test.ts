import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import kafkajs from 'kafkajs';
import { SluiceError } from '../../src/pipeline/errors.ts';
import type { PartitionLog } from '../../src/pipeline/position.ts';
import type { KafkaSource, KafkaSourceOptions } from '../../src/sources/kafka-source.ts';
import { testSourceConformance } from '../conformance/source.ts';
import { KafkaLog, type TopicUnderTest } from '../sources/kafka-log.ts';
import { SourceReader } from '../sources/source-reader.ts';
import { eventually } from '../support/eventually.ts';
import { type Kafka, startKafka } from './stack.ts';

const roomy = { bytes: 64 << 20, changes: 1_000_000 };
let server: Kafka;
let log: KafkaLog;

before(async () => {
  server = await startKafka();
  log = await KafkaLog.connect(server.brokers);
});
after(async () => {
  await log?.close();
  await server?.remove();
});
// A source that a failed test leaves open would keep the process alive.
const started: KafkaSource[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((source) => source.close()));
});

testSourceConformance('kafka', async () => {
  const topic = await log.topic({ partitions: 2 });
  return {
    topic: topic.topic,
    keepsPositions: true,
    isFinite: false,
    append: (partition, values) => log.append(topic.topic, values, { partition }),
    open: (inFlight) => topic.source(inFlight),
  };
});

test('records of every codec are read', async () => {
  const topic = await log.topic();
  const { GZIP, LZ4, None, Snappy, ZSTD } = kafkajs.CompressionTypes;
  const values = [None, GZIP, Snappy, LZ4, ZSTD].flatMap((codec) => numbered(100, `codec ${codec} ${'x'.repeat(200)}`));
  for (const [index, compression] of [None, GZIP, Snappy, LZ4, ZSTD].entries())
    await log.append(topic.topic, values.slice(index * 100, index * 100 + 100), { compression });
  const { reader, source } = start(topic);
  await eventually('all records', () => reader.count === 500);
  assert.deepEqual(reader.values(topic.topic, 0), values);
  await source.close();
});

test('a pattern reads every topic that matches, and no other', async () => {
  const prefix = `shop.${process.pid}`;
  const [one, two, other] = [
    await log.topic({ prefix }),
    await log.topic({ prefix, partitions: 2 }),
    await log.topic(),
  ];
  for (const { topic } of [one, two, other]) await log.append(topic, ['a']);
  const { reader, source } = start(one, { topics: { pattern: `${prefix}*` } });
  await eventually('both topics', () => reader.count === 2);
  const places = [`${one.topic}/0`, `${two.topic}/0`, `${two.topic}/1`];
  assert.deepEqual([...(reader.assigned.at(-1)?.places.keys() ?? [])].sort(), places.sort());
  assert.deepEqual([source.partitionCount(one.topic), source.partitionCount(two.topic)], [1, 2]);
  await source.close();
});

test('a second member takes over its share, both commit settled prefixes only, and nothing is lost', async () => {
  const topic = await log.topic({ partitions: 4 });
  const write = async (from: number): Promise<void> => {
    for (let partition = 0; partition < 4; partition += 1)
      await log.append(topic.topic, numbered(200, 'v', from), { partition });
  };
  await write(0);
  const first = start(topic, {}, { isSettling: false });
  await eventually('the first share', () => first.reader.count === 800);
  const held = first.reader.batches[0]; // one partition cannot move while this is held
  for (const batch of first.reader.batches.slice(1)) first.reader.settleOne(batch);
  await first.source.commit();
  const stuck = held?.partition ?? -1;
  const second = start(topic);
  await eventually('two shares', () => sharesOf(first, second).every((size) => size === 2));
  const committed = await log.committed(topic);
  assert.ok((committed[stuck] ?? 0) <= (held?.ticket.firstOffset ?? 0), 'the held batch was passed');

  first.reader.settle(Number.POSITIVE_INFINITY, { isSettling: true });
  await write(200);
  await eventually('all positions at the end', async () => (await log.committed(topic)).every((one) => one === 400));
  for (let partition = 0; partition < 4; partition += 1) {
    const got = new Set([first, second].flatMap(({ reader }) => reader.offsets(topic.topic, partition)));
    assert.equal(got.size, 400, `partition ${partition}`);
  }
  assert.deepEqual([first.reader.error, second.reader.error], [null, null]);
  await second.source.close();
  await eventually('the whole share again', () => first.reader.assigned.at(-1)?.places.size === 4);
  await first.source.close();
});

test('aborted and control records are passed over, and the position reaches the end of the log', async () => {
  const topic = await log.topic();
  const producer = log.client.producer({
    transactionalId: topic.topic,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  for (const kind of ['commit', 'abort', 'commit', 'abort'] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: topic.topic, messages: [{ value: kind }, { value: kind }] });
    await transaction[kind]();
  }
  await producer.disconnect();
  const { reader, source } = start(topic);
  await eventually('the end of the log', async () => (await log.committed(topic))[0] === 12);
  assert.deepEqual(reader.values(topic.topic, 0), ['commit', 'commit', 'commit', 'commit']);
  await source.close();
});

test('a committed offset outside the log is refused with E2003 and left as it is', async () => {
  const topic = await log.topic();
  await log.append(topic.topic, numbered(10));
  const partitions = [{ partition: 0, offset: '999' }];
  await log.admin.setOffsets({ groupId: topic.groupId, topic: topic.topic, partitions });
  await refused(topic, 'E2003');
  assert.deepEqual(await log.committed(topic), [999]);
});

test('records that are deleted before they were read are refused with E2003, at start and while reading', async () => {
  const topic = await log.topic();
  await log.append(topic.topic, numbered(6000));
  let isPaused = false; // and what was left of the first fetch is dropped
  const onEvent: KafkaSourceOptions['onEvent'] = (event) => {
    if (event.type === 'paused') ({ isPaused } = event);
  };
  const { reader, source } = start(topic, { onEvent }, { isSettling: false, limit: { ...roomy, changes: 3000 } });
  await eventually('a pause', () => isPaused);
  reader.settleOne(reader.batches[0] as never); // 500 of 3000: too few to read on
  await source.commit();
  const [position] = await log.committed(topic);
  await log.admin.deleteTopicRecords({ topic: topic.topic, partitions: [{ partition: 0, offset: '5900' }] });
  reader.settle(Number.POSITIVE_INFINITY, { isSettling: true });
  await eventually('the refusal', () => reader.error !== null);
  assert.equal(codeOf(reader.error), 'E2003');
  assert.ok(
    reader.offsets(topic.topic, 0).every((offset) => offset < 5900),
    'reading went on behind the hole',
  );
  await source.close();
  assert.ok(((await log.committed(topic))[0] ?? -1) >= (position ?? 0), 'the position was reset');
  await refused(topic, 'E2003');
});

test('a topic that was made again is refused with E2002, shorter or longer than before', async () => {
  for (const count of [3, 50]) {
    const topic = await log.topic();
    await readToEnd(topic, 20);
    await log.admin.deleteTopics({ topics: [topic.topic] });
    await eventually('a new topic of the same name', async () => {
      await log.create(topic.topic, 1);
      return (await log.admin.listTopics()).includes(topic.topic);
    });
    await log.append(topic.topic, numbered(count, 'other'));
    await refused(topic, 'E2002');
  }
});

test('a topic that is made again while it is read stops the source', async () => {
  const topic = await log.topic();
  await log.append(topic.topic, numbered(20));
  const { reader, source } = start(topic, { metadataMaxAgeMs: 300 });
  await eventually('all records', () => reader.count === 20);
  await log.admin.deleteTopics({ topics: [topic.topic] });
  await eventually('a new topic of the same name', () => log.create(topic.topic, 1).then(() => true));
  await log.append(topic.topic, numbered(5, 'other'));
  await eventually('the refusal', () => reader.error !== null);
  assert.match(codeOf(reader.error) ?? '', /^E200[234]$/);
  assert.equal(reader.count, 20);
  await source.close();
});

test('the same log is read on after a restart: its last settled record is found unchanged', async () => {
  const topic = await log.topic();
  await readToEnd(topic, 20);
  await log.append(topic.topic, numbered(5, 'new'));
  const { reader, source } = start(topic);
  await eventually('the new records', () => reader.count === 5);
  assert.deepEqual(reader.offsets(topic.topic, 0), [20, 21, 22, 23, 24]);
  await source.close();
});

test('an added partition is refused with E2002, at start and while reading', async () => {
  const topic = await log.topic();
  await log.append(topic.topic, numbered(5));
  const { reader, source } = start(topic, { metadataMaxAgeMs: 300 });
  await eventually('all records', () => reader.count === 5);
  await log.admin.createPartitions({ topicPartitions: [{ topic: topic.topic, count: 2 }] });
  await eventually('the refusal', () => reader.error !== null);
  assert.equal(codeOf(reader.error), 'E2002');
  await source.close();
  await refused(topic, 'E2002');
});

test('a missing and a compacted topic are refused with E2004, and none is created', async () => {
  const topic = await log.topic({ policy: 'compact' });
  await refused(topic, 'E2004');
  const missing = `${topic.topic}-missing`;
  await refused(topic, 'E2004', { topics: [missing] });
  await refused(topic, 'E2004', { topics: { pattern: `${missing}*` } });
  assert.equal((await log.admin.listTopics()).includes(missing), false);
});

test('an unreachable store is refused at start, and does not stop what is assigned later', async () => {
  const topic = await log.topic({ partitions: 2 });
  for (const partition of [0, 1]) await log.append(topic.topic, numbered(5), { partition });
  const first = start(topic);
  await eventually('all records', () => first.reader.count === 10);
  const second = start(topic);
  await eventually('two shares', () => sharesOf(first, second).every((size) => size === 1));
  topic.registry.isAway = true;
  await second.source.close();
  await eventually('the whole share again', () => first.reader.assigned.at(-1)?.places.size === 2);
  assert.equal(first.reader.error, null);
  await first.source.close();
  await refused(topic, 'E4001');
});

test('a consumer that dies for good errs with E2001', async (t) => {
  const topic = await log.topic();
  const foreign = log.client.consumer({
    groupId: topic.groupId,
    partitionAssigners: [
      (cluster) => ({ ...kafkajs.PartitionAssigners.roundRobin(cluster), name: 'other', version: 1 }),
    ],
  });
  t.after(() => foreign.disconnect());
  await foreign.connect();
  await foreign.subscribe({ topic: topic.topic });
  await foreign.run({ eachBatch: async () => undefined });
  await refused(topic, 'E2001');
});

test('a broker that is killed and comes back is read on, with nothing lost and positions committed', async (t) => {
  const own = await startKafka();
  t.after(() => own.remove());
  const writer = await KafkaLog.connect(own.brokers);
  t.after(() => writer.close());
  const topic = await writer.topic();
  await writer.append(topic.topic, numbered(500));
  const { reader, source } = start(topic);
  await eventually('the first records', async () => (await writer.committed(topic))[0] === 500);
  await own.kill();
  await own.start();
  await eventually('a writable log', () => writer.append(topic.topic, numbered(500, 'v', 500)).then(() => true));
  const end = Number((await writer.admin.fetchTopicOffsets(topic.topic))[0]?.high);
  await eventually('the end', async () => (await writer.committed(topic))[0] === end, { withinMs: 60_000 });
  assert.deepEqual([...new Set(reader.offsets(topic.topic, 0))], [...Array(end).keys()]);
  assert.equal(reader.error, null);
  await source.close();
});

interface Started {
  readonly reader: SourceReader;
  readonly source: KafkaSource;
  readonly logs: () => readonly PartitionLog[];
}

function start(
  topic: TopicUnderTest,
  options: Partial<KafkaSourceOptions> = {},
  { isSettling = true, limit = roomy } = {},
): Started {
  const reader = new SourceReader(limit, { isSettling });
  const source = topic.source(reader.inFlight, options);
  started.push(source);
  let logs: readonly PartitionLog[] = [];
  source.assignments.subscribe(({ partitions }) => {
    logs = partitions;
  });
  reader.read(source);
  return { reader, source, logs: () => logs };
}

/** Writes and reads records, settles and commits them, and stores the position as a service does. */
async function readToEnd(topic: TopicUnderTest, count: number): Promise<void> {
  await log.append(topic.topic, numbered(count));
  const { logs, reader, source } = start(topic);
  await eventually('all records', () => reader.count === count);
  await source.commit();
  topic.registry.mirror(logs());
  await source.close();
}

async function refused(topic: TopicUnderTest, code: string, options: Partial<KafkaSourceOptions> = {}): Promise<void> {
  const { reader, source } = start(topic, options);
  await eventually(`a refusal with ${code}`, () => reader.error !== null);
  await source.close();
  assert.equal(codeOf(reader.error), code);
  assert.ok(reader.error instanceof SluiceError && reader.error.remedy !== '');
  assert.equal(reader.count, 0);
}

function sharesOf(...members: readonly Started[]): number[] {
  return members.map(({ reader }) => reader.assigned.at(-1)?.places.size ?? 0);
}

function numbered(count: number, text = 'v', from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `${text} ${from + index}`);
}

function codeOf(error: unknown): string | null {
  return error instanceof SluiceError ? error.code : null;
}
