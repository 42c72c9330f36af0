import kafkajs, { type Admin, type Kafka, type Producer } from 'kafkajs';
import { createTopic } from '../../../scripts/stack/index.mjs';
import { patchKafkajs } from '../../../src/sources/kafkajs-patches.ts';
import { ORDERS, type TestTable } from '../../support/canal-message.ts';
import { ElasticsearchReader } from '../../support/elasticsearch-reader.ts';
import { type Deployment as Converging, committedOffsets, createStore } from '../../support/expect-converged.ts';
import { type LoadOptions, LoadWriter } from '../../support/load-writer.ts';
import { type Elasticsearch, executeSql, type Kafka as KafkaServer, type Mariadb, type Redis } from '../stack.ts';

interface Servers {
  readonly kafka: KafkaServer;
  readonly elasticsearch: Elasticsearch;
  readonly mariadb: Mariadb;
  readonly redis: Redis;
}

/** A topic, a table, an index, a database and a consumer group that no other test uses, and clients to look at them. */
export interface Deployment {
  readonly topic: string;
  readonly table: TestTable;
  readonly index: string;
  /** What `sluice run` needs to serve it, but for a window and other settings of the test. */
  readonly config: Readonly<Record<string, object>>;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly producer: Producer;
  readonly reader: ElasticsearchReader;
  /** Rows of the store's database, as text. */
  rows(query: string): Promise<string[][]>;
  /** The offset committed for each partition; -1 for none. */
  committed(): Promise<number[]>;
  remove(): Promise<void>;
}

export async function deployment(
  name: string,
  { elasticsearch, kafka: broker, mariadb, redis }: Servers,
  { partitions = 1 } = {},
): Promise<Deployment> {
  patchKafkajs();
  const topic = `${name}_${process.pid}`;
  const database = `sluice_${topic}`;
  const table = { ...ORDERS, database: topic };
  const index = `${topic}_${table.table}`;
  const reader = new ElasticsearchReader(elasticsearch.url);
  const kafka = new kafkajs.Kafka({ brokers: broker.brokers, logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer({ maxInFlightRequests: 1 });
  await createTopic(broker.host, broker.port, { topic, partitions });
  await Promise.all([admin.connect(), producer.connect(), executeSql(mariadb.spec, `CREATE DATABASE ${database}`)]);
  return {
    topic,
    table,
    index,
    config: {
      source: { type: 'kafka', brokers: broker.brokers, groupId: topic, topics: [topic] },
      buffer: { type: 'redis', url: redis.url },
      journal: { type: 'mysql', url: mariadb.url.replace(/sluice$/, database) },
      index: { type: 'elasticsearch', nodes: [elasticsearch.url] },
    },
    kafka,
    admin,
    producer,
    reader,
    async rows(query) {
      const [, ...lines] = (await executeSql(mariadb.spec, `USE ${database}; ${query}`)).trim().split('\n');
      return lines.map((line) => line.split('\t'));
    },
    async committed() {
      const [own] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
      const offsets = own?.partitions.toSorted((a, b) => a.partition - b.partition);
      return (offsets ?? []).map(({ offset }) => Number(offset));
    },
    async remove() {
      await executeSql(mariadb.spec, `DROP DATABASE ${database}`);
      await reader.request('DELETE', `/${index}`);
      await admin.deleteTopics({ topics: [topic] });
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

/** A load, and what `sluice run` needs to serve it, under names that no other test uses. */
export interface LoadedDeployment extends Converging {
  readonly config: Readonly<Record<string, object>>;
  /** Records that were written and are not committed yet. */
  backlog(): Promise<number>;
  remove(): Promise<void>;
}

export async function loadedDeployment(
  name: string,
  { elasticsearch, kafka, mariadb, redis }: Servers,
  load: Omit<LoadOptions, 'brokers' | 'topic' | 'database'> = {},
): Promise<LoadedDeployment> {
  const topic = `${name}_${process.pid}`;
  const { brokers } = kafka;
  const storeUrl = await createStore(mariadb.url, `sluice_${topic}`);
  const writer = await LoadWriter.open({ ...load, brokers, topic, database: topic });
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  return {
    writer,
    groupId: topic,
    elasticsearch,
    storeUrl,
    config: {
      source: { type: 'kafka', brokers, groupId: topic, topics: [topic] },
      buffer: { type: 'redis', url: redis.url },
      journal: { type: 'mysql', url: storeUrl },
      index: { type: 'elasticsearch', nodes: [elasticsearch.url] },
      window: { ms: 500 },
    },
    async backlog() {
      const committed = sum(await committedOffsets({ writer, groupId: topic }));
      return sum(writer.ends) - committed;
    },
    async remove() {
      await writer.close();
      await executeSql(mariadb.spec, `DROP DATABASE sluice_${topic}`);
      await new ElasticsearchReader(elasticsearch.url).request('DELETE', `/${writer.index}`);
    },
  };
}
