import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import kafkajs, { type Admin } from 'kafkajs';
import { ElasticsearchReader } from '../../support/elasticsearch-reader.ts';
import { eventually } from '../../support/eventually.ts';
import { createStore, parkedCount, query } from '../../support/expect-converged.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import {
  type Elasticsearch,
  type Kafka,
  type SharedStack,
  sharedStack,
  startElasticsearch,
  startKafka,
} from '../stack.ts';
import { BulkRows } from './bulk-rows.ts';

/** What architecture and documentation promise at the default limits. */
const MOST_BYTES = 512 << 20;
/** `SLUICE_TEST_MEMORY=whole` takes half an hour; what runs with every change is a part of it, with the same bounds. */
const isWhole = process.env.SLUICE_TEST_MEMORY === 'whole';
const OUTAGE_MS = isWhole ? 600_000 : 30_000;
const PARKED = isWhole ? 1_000_000 : 60_000;
const KEYS = isWhole ? 1_000_000 : 150_000;

let stack: Pick<SharedStack, 'mariadb' | 'redis'>;
let kafka: Kafka;
let elasticsearch: Elasticsearch;
let admin: Admin;
let reader: ElasticsearchReader;

before(async () => {
  stack = await sharedStack('mariadb', 'redis');
  const properties = { 'message.max.bytes': '120000000', 'socket.request.max.bytes': '140000000' };
  [kafka, elasticsearch] = await Promise.all([startKafka({ properties }), startElasticsearch()]);
  reader = new ElasticsearchReader(elasticsearch.url);
  admin = new kafkajs.Kafka({ brokers: kafka.brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
});

after(async () => {
  killRunning();
  await admin?.disconnect();
  await Promise.all([kafka?.remove(), elasticsearch?.remove()]);
});

test('with Elasticsearch down and input at full rate, keys are parked, offsets move on, and memory stays within its bound', async (context) => {
  const rows = await BulkRows.open('memory_outage', kafka);
  const { config, storeUrl } = await deployment(rows);
  await elasticsearch.stop();
  context.after(() => elasticsearch.start()); // the tests behind this one need it, also when this one fails
  const sluice = await SluiceProcess.spawn(config);
  const ends = performance.now() + OUTAGE_MS;
  while (performance.now() < ends) {
    await rows.write(2000);
    // As much as it takes, and always more than it has taken.
    await eventually('the backlog shrinks', async () => rows.count - (await committed(rows)) < 100_000, {
      withinMs: 120_000,
      everyMs: 200,
    });
  }
  const pace = { withinMs: 60_000, everyMs: 200 };
  await eventually('keys are parked', async () => (await parkedCount(storeUrl)) > 1000, pace);
  await eventually('offsets move on', async () => (await committed(rows)) > 1000, pace);
  const parked = await parkedCount(storeUrl);
  assert.equal(await sluice.metric('sluice_rebalances_total'), 1, 'the group never lost its member');
  withinBound(sluice, context, `${rows.count} rows in ${OUTAGE_MS / 1000} s, ${parked} of them parked`);

  await elasticsearch.start();
  await settled(rows, storeUrl);
  withinBound(sluice, context, 'and after recovery');
  assert.equal(await sluice.stop(), 0, sluice.output.slice(-4000));
  await rows.close();
});

test('a great many parked keys are recovered within the bound', async (context) => {
  const rows = await BulkRows.open('memory_parked', kafka);
  const { config, storeUrl } = await deployment(rows);
  // Something has to be parked for the store to know its own tables; the rest is made by the server itself.
  const first = await SluiceProcess.start(config);
  await rows.write(1);
  await settled(rows, storeUrl);
  assert.equal(await first.stop(), 0, first.output.slice(-4000));
  await query(
    storeUrl,
    `INSERT INTO parked_keys (topic, partition_no, record_offset, version, database_name, table_name, primary_key,
       ordinal, is_delete, operation, data, record_time_ms, first_offset, first_version, bytes)
     SELECT '${rows.topic}', 0, 0, 1, '${rows.table.database}', '${rows.table.database}.orders', seq + 1, 0, 0, 'INSERT',
       CONCAT('{"id":', seq + 1, ',"version":1,"status":1,"note":"', REPEAT('x', 300), '"}'), 0, 0, 1, 900
     FROM seq_1_to_${PARKED}`,
  );
  const sluice = await SluiceProcess.start(config);
  await settled(rows, storeUrl, PARKED + 1);
  withinBound(sluice, context, `${PARKED} parked keys`);
  assert.equal(await sluice.stop(), 0, sluice.output.slice(-4000));
  await rows.close();
});

test('a record of 100 MB becomes a letter within the bound, and the stream goes on behind it', async (context) => {
  const rows = await BulkRows.open('memory_long', kafka);
  const { config, storeUrl } = await deployment(rows);
  const sluice = await SluiceProcess.start(config);
  await rows.write(100);
  await rows.writeLong(100_000_000);
  await rows.write(100);
  await settled(rows, storeUrl, 200);
  const letters = await query(storeUrl, 'SELECT reason, record_offset AS `offset`, state FROM dead_letters');
  assert.deepEqual(letters, [{ reason: 'record-too-large', offset: 100, state: 'open' }]);
  assert.equal(await sluice.metric('sluice_rebalances_total'), 1, 'the group never lost its member');
  withinBound(sluice, context, 'a record of 100 MB');
  assert.equal(await sluice.stop(), 0, sluice.output.slice(-4000));
  await rows.close();
});

test('more distinct keys in a window than it holds close it early, within the bound', async (context) => {
  const rows = await BulkRows.open('memory_keys', kafka);
  const { config, storeUrl } = await deployment(rows);
  await rows.write(KEYS);
  const sluice = await SluiceProcess.start({ ...config, window: { ms: 600_000 } });
  await eventually('windows close at their caps', async () => (await committed(rows)) > KEYS / 2, {
    withinMs: 600_000,
  });
  withinBound(sluice, context, `${KEYS} distinct keys in a window of ten minutes`);
  assert.equal(await sluice.stop(), 0, sluice.output.slice(-4000));
  const next = await SluiceProcess.start(config);
  await settled(rows, storeUrl);
  assert.equal(await next.stop(), 0, next.output.slice(-4000));
  await rows.close();
});

async function deployment({ topic }: BulkRows) {
  const storeUrl = await createStore(stack.mariadb.url, `sluice_${topic}`);
  const config = {
    source: { type: 'kafka', brokers: kafka.brokers, groupId: topic, topics: [topic] },
    buffer: { type: 'redis', url: stack.redis.url },
    journal: { type: 'mysql', url: storeUrl },
    index: { type: 'elasticsearch', nodes: [elasticsearch.url] },
  };
  return { config, storeUrl };
}

async function committed({ topic }: BulkRows): Promise<number> {
  const [own] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
  return Math.max(0, Number(own?.partitions[0]?.offset ?? 0));
}

/** Waits until everything is committed, nothing is parked and the index holds so many documents. */
async function settled(rows: BulkRows, storeUrl: string, documents = rows.count): Promise<void> {
  await eventually(
    `${rows.topic} is settled`,
    async () => {
      assert.equal(await committed(rows), rows.count);
      assert.equal(await parkedCount(storeUrl), 0);
      return true;
    },
    { withinMs: 1_200_000, everyMs: 500 },
  );
  await reader.request('POST', `/${rows.index}/_refresh`);
  const { text } = await reader.request('GET', `/${rows.index}/_count`);
  assert.equal((JSON.parse(text) as { count: number }).count, documents);
}

function withinBound(sluice: SluiceProcess, context: TestContext, what: string): void {
  const peak = sluice.peakResidentBytes;
  context.diagnostic(`${what}: at most ${Math.round(peak / (1 << 20))} MiB resident`);
  assert.ok(peak <= MOST_BYTES, `${what}: ${Math.round(peak / (1 << 20))} MiB were resident`);
}
