import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTopic } from '../../scripts/stack/index.mjs';
import { ElasticsearchReader } from '../support/elasticsearch-reader.ts';
import { eventually } from '../support/eventually.ts';
import { killRunning, SluiceProcess } from '../support/sluice-process.ts';
import {
  type Canal,
  type Elasticsearch,
  executeSql,
  type Kafka,
  type Mariadb,
  type Redis,
  remove,
  startCanal,
  startElasticsearch,
  startKafka,
  startMariadb,
  startRedis,
} from './stack.ts';

let kafka: Kafka;
let elasticsearch: Elasticsearch;
let redis: Redis;
/** The one Canal reads, and the one sluice keeps its journal in. */
let source: Mariadb;
let store: Mariadb;
let canal: Canal;
let sluice: SluiceProcess;

before(async () => {
  [kafka, elasticsearch, redis, source, store] = await Promise.all([
    startKafka(),
    startElasticsearch(),
    startRedis(),
    startMariadb({ name: 'source', binlog: true }),
    startMariadb({ name: 'store' }),
  ]);
  await createTopic(kafka.host, kafka.port, { topic: 'live', partitions: 1 });
  await executeSql(source.spec, 'CREATE DATABASE live DEFAULT CHARACTER SET utf8mb4');
  canal = await startCanal({ brokers: kafka.brokers, topic: 'live', mariadb: source, filter: 'live\\..*' });
  sluice = await SluiceProcess.start({
    source: { type: 'kafka', brokers: kafka.brokers, groupId: 'live', topics: ['live'] },
    buffer: { type: 'redis', url: redis.url },
    journal: { type: 'mysql', url: store.url },
    index: { type: 'elasticsearch', nodes: [elasticsearch.url] },
    window: { ms: 1000, parkAfterWindows: 60 },
  });
});

after(async () => {
  killRunning();
  await remove([canal, kafka, elasticsearch, redis, source, store].filter((server) => server !== undefined));
});

const sql = (text: string): Promise<string> => executeSql(source.spec, `USE live; SET NAMES utf8mb4; ${text}`);

test('SQL on MariaDB ends up in Elasticsearch through Canal and Kafka, row for row', async () => {
  await sql(`
    CREATE TABLE goods (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, price DECIMAL(10,2) NOT NULL, stock INT NOT NULL);
    CREATE TABLE carts (shop VARCHAR(10), number BIGINT UNSIGNED, state ENUM('open','paid') NOT NULL, PRIMARY KEY (shop, number));
    CREATE TABLE cart_lines (cart BIGINT UNSIGNED, line INT, good INT NOT NULL, PRIMARY KEY (cart, line));`);
  // Inserts.
  await sql(`
    INSERT INTO goods VALUES ${Array.from({ length: 200 }, (_, i) => `(${i + 1}, 'good ${i + 1} ü', ${i}.50, 100)`).join(',')};
    INSERT INTO carts VALUES ('north', 18446744073709551615, 'open'), ('north', 1, 'open'), ('so:uth', 1, 'open');`);
  // Hot rows: 300 updates of 3 rows.
  await sql(
    Array.from({ length: 300 }, (_, i) => `UPDATE goods SET stock = stock - 1 WHERE id = ${(i % 3) + 1};`).join(''),
  );
  // Key changes, one of them a swap through a third key; deletes; a key that goes and comes back.
  await sql(`
    UPDATE goods SET id = 1000 WHERE id = 10;
    UPDATE goods SET id = -1 WHERE id = 11; UPDATE goods SET id = 11 WHERE id = 12; UPDATE goods SET id = 12 WHERE id = -1;
    UPDATE carts SET shop = 'west' WHERE shop = 'so:uth';
    DELETE FROM goods WHERE id BETWEEN 100 AND 150;
    DELETE FROM goods WHERE id = 20; INSERT INTO goods VALUES (20, 'back again', 1.00, 1);`);
  // One transaction over several tables, and one that is rolled back.
  await sql(`
    BEGIN; UPDATE carts SET state = 'paid' WHERE shop = 'north' AND number = 1;
    INSERT INTO cart_lines VALUES (1, 1, 5), (1, 2, 6); UPDATE goods SET stock = stock - 1 WHERE id IN (5, 6); COMMIT;
    BEGIN; INSERT INTO cart_lines VALUES (9, 9, 9); ROLLBACK;`);
  await sql('INSERT INTO cart_lines VALUES (0, 0, 0)'); // the sentinel: Canal keeps the order of one partition

  const reader = new ElasticsearchReader(elasticsearch.url);
  await eventually('the last row is indexed', async () => (await reader.source('live_cart_lines', '0:0')) !== null, {
    withinMs: 60_000,
  });
  await eventually('every window is settled', async () => (await sluice.metric('sluice_unsettled_records')) === 0);

  const goods = await rows('SELECT id, name, price, stock FROM goods');
  const carts = await rows('SELECT shop, number, state FROM carts');
  const lines = await rows('SELECT cart, line, good FROM cart_lines');
  assert.equal(goods.length, 149);
  assert.deepEqual(
    await sources(reader, 'live_goods'),
    new Map(
      goods.map(([id, name, price, stock]) => [
        `${id}`,
        `{"id":${id},"name":"${name}","price":"${price}","stock":${stock}}`,
      ]),
    ),
  );
  assert.deepEqual(
    await sources(reader, 'live_carts'),
    new Map(
      carts.map(([shop, number, state]) => [
        `${shop}:${number}`,
        `{"shop":"${shop}","number":${number},"state":"${state}"}`,
      ]),
    ),
  );
  assert.deepEqual(
    await sources(reader, 'live_cart_lines'),
    new Map(lines.map(([cart, line, good]) => [`${cart}:${line}`, `{"cart":${cart},"line":${line},"good":${good}}`])),
  );
  const writes = await reader.indexTotal('live_goods');
  assert.ok(writes < 400, `300 updates of 3 rows were folded: ${writes} writes for 500 upserts`);
});

test('rows written while Canal is down arrive when it is back', async () => {
  await canal.stop();
  await sql("UPDATE goods SET name = 'renamed' WHERE id = 50; DELETE FROM goods WHERE id = 51");
  await canal.start();
  const reader = new ElasticsearchReader(elasticsearch.url);
  await eventually(
    'the update is indexed',
    async () => (await reader.source('live_goods', '50'))?.includes('renamed'),
    { withinMs: 60_000 },
  );
  await eventually('the delete too', async () => (await reader.source('live_goods', '51')) === null);
});

/** What the server holds, as text. */
async function rows(query: string): Promise<string[][]> {
  const [, ...lines] = (await sql(query)).trim().split('\n');
  return lines.map((line) => line.split('\t'));
}

async function sources(reader: ElasticsearchReader, index: string): Promise<Map<string, string>> {
  const documents = await reader.documents(index);
  return new Map([...documents].map(([id, { source }]) => [id, source]));
}
