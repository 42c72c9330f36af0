import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import kafkajs from 'kafkajs';
import { readDirectoryIndex } from '../../src/sinks/directory-sink.ts';
import { patchKafkajs } from '../../src/sources/kafkajs-patches.ts';
import { comparable, type Document, EXCEPTIONS, expectedDocuments, unexplained } from '../formats/final-state.ts';
import { captured } from '../formats/replay.ts';
import { ElasticsearchReader } from '../support/elasticsearch-reader.ts';
import { eventually } from '../support/eventually.ts';
import { killRunning, SluiceProcess } from '../support/sluice-process.ts';
import {
  type Elasticsearch,
  executeSql,
  type Kafka,
  type Mariadb,
  type Redis,
  remove,
  startElasticsearch,
  startKafka,
  startMariadb,
  startRedis,
} from './stack.ts';

/** The captured indexes keep their own names here, so the servers are this file's own. */
let servers: [Kafka, Elasticsearch, Redis, Mariadb];
let folder: string;

before(async () => {
  patchKafkajs();
  servers = await Promise.all([startKafka(), startElasticsearch(), startRedis(), startMariadb()]);
  folder = mkdtempSync(join(tmpdir(), 'sluice-captures-'));
});

after(async () => {
  killRunning();
  await remove(servers);
  rmSync(folder, { recursive: true, force: true });
});

type Stored = { version: number; source: string };
type Indexes = Map<string, Map<string, Stored>>;

test('the capture through real servers and through embedded ones ends with the same bytes, those of the final state', async () => {
  const real = await throughServers({
    file: 'canal-shop.ndjson',
    topic: 'shop',
    partitions: 1,
    database: 'sluice_main',
  });
  const embedded = await throughFile('canal-shop.ndjson');
  assert.deepEqual(unequal(real, embedded), []);
  assert.deepEqual(unexplained(documentsOf(real)), []);
});

test('the key-hashed capture leaves besides exactly the old keys that unordered-key-change letters name', async () => {
  const database = 'sluice_hash';
  const real = await throughServers({ file: 'canal-shop-hash3.ndjson', topic: 'shop.hash', partitions: 3, database });
  const embedded = await throughFile('canal-shop-hash3.ndjson');
  assert.deepEqual(unequal(real, embedded), []);
  const letters = await executeSql(
    servers[3].spec,
    `SELECT DISTINCT REPLACE(table_name, '.', '_'), CONVERT(primary_key USING utf8mb4) FROM ${database}.dead_letters WHERE reason = 'unordered-key-change' AND state = 'open'`,
  );
  const expected = expectedDocuments();
  const extras = letters
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t') as [string, string])
    .filter(([index, key]) => !expected.get(index)?.has(key))
    .map(([index, id]) => ({ index, id, kind: 'extra' as const, columns: [] }));
  assert.ok(extras.length > 0);
  assert.deepEqual(unexplained(documentsOf(real), [...EXCEPTIONS, ...extras]), []);
});

async function throughServers(run: {
  file: string;
  topic: string;
  partitions: number;
  database: string;
}): Promise<Indexes> {
  const [kafka, elasticsearch, redis, mariadb] = servers;
  const reader = new ElasticsearchReader(elasticsearch.url);
  for (const index of await reader.indexes('*')) await reader.request('DELETE', `/${encodeURIComponent(index)}`);
  await executeSql(mariadb.spec, `CREATE DATABASE ${run.database}`);
  const client = new kafkajs.Kafka({ brokers: kafka.brokers, logLevel: kafkajs.logLevel.ERROR });
  const ends = await produce(client, run);
  const sluice = await SluiceProcess.start({
    source: { type: 'kafka', brokers: kafka.brokers, groupId: run.database, topics: [run.topic] },
    buffer: { type: 'redis', url: redis.url },
    journal: { type: 'mysql', url: mariadb.url.replace(/sluice$/, run.database) },
    index: { type: 'elasticsearch', nodes: [elasticsearch.url] },
    window: { ms: 500 },
  });
  const admin = client.admin();
  await admin.connect();
  await eventually(
    'every record is settled',
    async () => {
      const [own] = await admin.fetchOffsets({ groupId: run.database, topics: [run.topic] });
      const committed = new Map(own?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      const isRead = [...ends].every(([partition, end]) => committed.get(partition) === end);
      // Making thirty indexes takes longer than ten short windows, so some keys may have been parked on the way.
      return isRead && (await sluice.metric('sluice_parked_keys')) === 0;
    },
    { withinMs: 180_000 },
  );
  await admin.disconnect();
  assert.equal(await sluice.stop(), 0, sluice.output);
  const indexes: Indexes = new Map();
  for (const index of await reader.indexes('*')) {
    const documents = await reader.documents(index);
    if (documents.size > 0) indexes.set(index, documents);
  }
  return indexes;
}

/** Writes the captured records to the same partitions at the same offsets; returns the log ends. */
async function produce(
  client: kafkajs.Kafka,
  run: { file: string; topic: string; partitions: number },
): Promise<Map<number, number>> {
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: run.topic, numPartitions: run.partitions }], waitForLeaders: true });
  await admin.disconnect();
  const producer = client.producer();
  await producer.connect();
  const ends = new Map<number, number>();
  for (const record of captured(run.file)) {
    const { partition, timestamp, value } = record;
    const [written] = await producer.send({ topic: run.topic, messages: [{ partition, timestamp, key: null, value }] });
    assert.equal(written?.baseOffset, record.offset);
    ends.set(partition, Number(record.offset) + 1);
  }
  await producer.disconnect();
  return ends;
}

async function throughFile(file: string): Promise<Indexes> {
  const out = mkdtempSync(join(folder, 'embedded-'));
  const sluice = await SluiceProcess.spawn({
    source: { type: 'file', path: join(import.meta.dirname, '../../demo', file) },
    journal: { type: 'sqlite', path: join(out, 'journal.db') },
    index: { type: 'directory', path: join(out, 'index') },
  });
  assert.equal(await sluice.ended(), 0, sluice.output);
  const indexes: Indexes = new Map();
  for (const [index, documents] of readDirectoryIndex(join(out, 'index'))) {
    if (documents.size > 0) indexes.set(index, new Map(documents));
  }
  return indexes;
}

/** Documents of which one side has another text or version, or none. */
function unequal(left: Indexes, right: Indexes): string[] {
  const lines = (indexes: Indexes): Set<string> =>
    new Set(
      [...indexes].flatMap(([index, documents]) =>
        [...documents].map(([id, one]) => JSON.stringify([index, id, one.version, one.source])),
      ),
    );
  const [a, b] = [lines(left), lines(right)];
  return [...[...a].filter((line) => !b.has(line)), ...[...b].filter((line) => !a.has(line))];
}

function documentsOf(indexes: Indexes): Map<string, Map<string, Document>> {
  return new Map(
    [...indexes].map(([index, documents]) => [
      index,
      new Map([...documents].map(([id, { source }]) => [id, comparable(source) as Document])),
    ]),
  );
}
