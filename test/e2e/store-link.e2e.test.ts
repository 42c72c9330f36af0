import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type MysqlStore, mysqlStore } from '../../src/sinks/mysql-store.ts';
import { endpointOf, mysqlDatabase } from '../../src/sinks/mysql-store-database.ts';
import { answerOf, changeAt, lookup, newPartition, newTable } from '../conformance/store-samples.ts';
import { FaultProxy } from '../converge/fault-proxy.ts';
import { createStore, query } from '../support/expect-converged.ts';
import { sharedStack } from './stack.ts';

const MYSQL_EXECUTE = 0x17;

let proxy: FaultProxy;
let store: MysqlStore;
let directUrl: string;

before(async () => {
  const { mariadb } = await sharedStack('mariadb');
  directUrl = await createStore(mariadb.url, `sluice_link_${process.pid}`);
  proxy = await FaultProxy.listen({ isTarget: (piece) => piece[4] === MYSQL_EXECUTE });
  proxy.target = { host: mariadb.host, port: mariadb.port };
  store = mysqlStore({ url: directUrl.replace(`:${mariadb.port}/`, `:${proxy.port}/`), lookup });
  await store.open();
});

after(async () => {
  await store?.close();
  await proxy?.close();
  await query(directUrl, `DROP DATABASE sluice_link_${process.pid}`);
});

test('an append whose answer is lost with its connection is made again, and its rows are there once', async () => {
  const partition = newPartition();
  const changes = [changeAt(newTable(), '1', 7), changeAt(newTable(), '2', 8)];
  proxy.inject({ kind: 'drop-reply' }, 1);
  await answerOf(store.append(partition, changes));
  assert.equal(proxy.hits, 1, 'an answer was lost');
  const rows = await query<{ at: number }>(
    directUrl,
    'SELECT record_offset AS at FROM buffer_backup WHERE topic = ? ORDER BY at',
    [partition.topic],
  );
  assert.deepEqual(rows, [{ at: 7 }, { at: 8 }]);
});

test('a link that cuts off every answer is an outage: the call fails and says so', async () => {
  proxy.inject({ kind: 'drop-reply' });
  await assert.rejects(answerOf(store.append(newPartition(), [changeAt(newTable(), '3', 9)])), { code: 'E4001' });
  assert.equal(proxy.hits, 2);
  await proxy.lift();
});

test('rows that another client locked before it stood still are free again within seconds', async () => {
  const partition = newPartition();
  const changes = [changeAt(newTable(), '4', 10)];
  await answerOf(store.append(partition, changes));
  const still = mysqlDatabase({ endpoint: endpointOf(directUrl), tls: null, connections: 1, timeoutMs: 1000 });
  const locked = Promise.withResolvers<number>();
  const wakes = Promise.withResolvers<void>();
  const asleep = still.transaction(async (session) => {
    const lock = 'SELECT record_offset FROM buffer_backup WHERE topic = ? FOR UPDATE';
    locked.resolve((await session.run(lock, [partition.topic])).rows.length);
    await wakes.promise;
  });
  try {
    assert.equal(await locked.promise, 1);
    await answerOf(store.append(partition, changes));
  } finally {
    wakes.resolve();
    await asleep.finally(() => still.end());
  }
});

test('a long insert stores every value as it is, whatever it holds', async () => {
  const database = mysqlDatabase({ endpoint: endpointOf(directUrl), tls: null, connections: 1, timeoutMs: 5000 });
  const texts = ['', 'plain', 'é日🙂 "quoted" \\ \u0000 \n', 'x'.repeat(250), 'é'.repeat(126), '日'.repeat(22_000)];
  const numbers = [0, -1, 255, 2 ** 31, -(2 ** 40), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
  const rows = Array.from({ length: 50 }, (_, id) => ({
    id,
    body: id % 7 === 6 ? null : (texts[id % texts.length] ?? null),
    whole: numbers[id % numbers.length] ?? null,
    real: id / 7,
  }));
  try {
    const columns = 'id INT, body LONGTEXT CHARACTER SET utf8mb4, whole BIGINT, `real` DOUBLE';
    await database.run(`CREATE TABLE long_insert (${columns})`, []);
    await database.run(
      `INSERT INTO long_insert VALUES ${rows.map(() => '(?, ?, ?, ?)').join()}`,
      rows.flatMap(({ id, body, whole, real }) => [id, body, whole, real]),
    );
    const stored = await query<(typeof rows)[number]>(directUrl, 'SELECT * FROM long_insert ORDER BY id');
    assert.deepEqual(stored, rows);
  } finally {
    await database.end();
  }
});
