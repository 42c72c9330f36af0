import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createConnection } from 'mysql2/promise';
import type { SluiceError } from '../../src/pipeline/errors.ts';
import { type MysqlStore, type MysqlStoreOptions, mysqlStore } from '../../src/sinks/mysql-store.ts';
import type { SqlRow } from '../../src/sinks/store-sql.ts';
import { storeConformance } from '../conformance/store.ts';
import {
  allParked,
  answerOf,
  changeAt,
  letterAt,
  lookup,
  newPartition,
  newTable,
  parkedAt,
  type StorePlace,
} from '../conformance/store-samples.ts';
import { executeSql, type Mariadb, sharedStack, startMariadb } from './stack.ts';

let lastDatabase = 0;

function urlOf({ url }: Mariadb, database: string): string {
  return url.replace(/[^/]*$/, database);
}

/** As many new databases as asked for, and how to read and drop them. */
async function newDatabases(server: Mariadb, count: number) {
  const names = Array.from({ length: count }, () => `sluice_store_${process.pid}_${++lastDatabase}`);
  const root = (sql: string) => executeSql(server.spec, sql);
  await root(names.map((name) => `CREATE DATABASE ${name}`).join(';'));
  const read = async (name: string, sql: string) => {
    const connection = await createConnection({ uri: urlOf(server, name), dateStrings: true });
    try {
      await connection.query("SET time_zone = '+00:00'");
      return (await connection.query(sql))[0] as SqlRow[];
    } finally {
      await connection.end();
    }
  };
  return {
    names,
    urls: names.map((name) => urlOf(server, name)),
    root,
    read,
    remove: () => root(names.map((name) => `DROP DATABASE ${name}`).join(';')),
  };
}

/** A pool left open would keep the test process alive. */
async function openOrClose(store: MysqlStore): Promise<void> {
  try {
    await store.open();
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function newPlace(databases: number, tables: number): Promise<StorePlace> {
  const { mariadb } = await sharedStack('mariadb');
  const { names, urls, read, remove } = await newDatabases(mariadb, databases);
  return {
    async open() {
      const store = mysqlStore({ url: urls[0] as string, lookup, journal: { urls, tables } });
      await openOrClose(store);
      return store;
    },
    query: (sql) => read(names[0] as string, sql),
    queryJournal: async (sql) => (await Promise.all(names.map((name) => read(name, sql)))).flat(),
    async remove() {
      await remove();
    },
  };
}

storeConformance('mysql', () => newPlace(1, 1));
storeConformance('mysql with a journal of 2 databases × 3 tables', () => newPlace(2, 3));

describe('store mysql on a server with troubles', () => {
  let server: Mariadb | undefined;
  let databases: Awaited<ReturnType<typeof newDatabases>> | undefined;
  before(async () => {
    server = await startMariadb();
    databases = await newDatabases(server, 1);
  });
  after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await server?.remove();
  });

  const opened = () => {
    assert.ok(server && databases, 'the server did not start');
    return { server, ...databases };
  };
  const stores: MysqlStore[] = [];
  const newStore = (options: Partial<MysqlStoreOptions> = {}) => {
    const store = mysqlStore({ url: opened().urls[0] as string, lookup, timeoutMs: 1000, ...options });
    stores.push(store);
    return store;
  };

  test('a row too long for the server is a gap, and its neighbours get in', async () => {
    const { root, read, names } = opened();
    await root('SET GLOBAL max_allowed_packet = 1048576');
    const store = newStore();
    await store.open();
    const partition = newPartition();
    const table = newTable();
    const changes = ['x', 'y'.repeat(1_100_000), 'z'.repeat(900_000), 'k'].map((text, offset) =>
      changeAt(table, `k${offset}`, offset, { text: JSON.stringify({ text }) }),
    );
    const longKey = changeAt(table, 'k'.repeat(513), 4); // the column takes 512 characters
    await answerOf(store.append(partition, [...changes, longKey, changeAt(table, 'last', 5)]));
    const rows = await read(
      names[0] as string,
      `SELECT record_offset FROM buffer_backup WHERE topic = '${partition.topic}' ORDER BY version`,
    );
    assert.deepEqual(
      rows.map((row) => Number(row.record_offset)),
      [0, 2, 3, 5],
    );
    assert.deepEqual(
      (await store.gaps())
        .filter(({ topic }) => topic === partition.topic)
        .map(({ from, to, reason }) => [from, to, reason]),
      [
        [1, 1, 'row-too-long'],
        [4, 4, 'row-too-long'],
      ],
    );
    await root('SET GLOBAL max_allowed_packet = 67108864');
  });

  test('a batch larger than a packet is appended in several statements', async () => {
    const store = newStore({ timeoutMs: 10_000 });
    await store.open();
    const partition = newPartition();
    const table = newTable();
    const text = 'x'.repeat(1_000_000);
    const changes = Array.from({ length: 12 }, (_, offset) =>
      changeAt(table, `k${offset}`, offset, { text: JSON.stringify({ text }) }),
    );
    changes.push(changeAt(table, 'huge', 12, { text: JSON.stringify({ text: text.repeat(20) }) }));
    await answerOf(store.append(partition, changes));
    const { read, names } = opened();
    const rows = await read(
      names[0] as string,
      `SELECT LENGTH(data) AS bytes FROM buffer_backup WHERE topic = '${partition.topic}' ORDER BY version`,
    );
    assert.deepEqual(
      rows.map((row) => Number(row.bytes)),
      changes.map(({ document }) => document.length),
    );
  });

  test('an error tells code and state, and neither SQL nor values', async () => {
    const store = newStore();
    await store.open();
    const change = changeAt(newTable(), `secret-key-${'k'.repeat(600)}`, 1, { text: '{"secret":"document"}' });
    const partition = newPartition();
    const calls = [
      () => store.park([parkedAt(partition, change)]),
      () => store.writeLetters([letterAt(partition, change)]),
    ];
    for (const call of calls) {
      await assert.rejects(answerOf(call()), (error: SluiceError) => {
        assert.equal(error.code, 'E4002');
        assert.match(error.detail, /ER_DATA_TOO_LONG 1406 22001/);
        assert.doesNotMatch(`${error.line} ${JSON.stringify(error)} ${String(error.stack)}`, /secret|INSERT/);
        assert.equal(error.cause, undefined);
        return true;
      });
    }
  });

  test('open refuses an account without rights, and says which to grant', async () => {
    const { root, names, server: mariadb } = opened();
    await root(
      `CREATE DATABASE reading; CREATE USER 'reader'@'127.0.0.1' IDENTIFIED BY 'reader'; GRANT SELECT ON reading.* TO 'reader'@'127.0.0.1'`,
    );
    const url = urlOf(mariadb, 'reading').replace('sluice:sluice', 'reader:reader');
    const refusal = (error: SluiceError) =>
      error.code === 'E4002' && /GRANT|grant SELECT/.test(error.remedy) && !error.retriable;
    const empty = newStore({ url });
    await assert.rejects(empty.open(), refusal);
    await root(`GRANT SELECT ON ${names[0]}.* TO 'reader'@'127.0.0.1'`);
    const made = newStore({ url: url.replace('reading', names[0] as string) });
    await assert.rejects(made.open(), refusal, 'the tables are there, the right to write them is not');
    const stranger = newStore({ url: url.replace('reader:reader', 'reader:wrong') });
    await assert.rejects(stranger.open(), (error: SluiceError) => refusal(error) && !error.line.includes('wrong'));
  });

  test('open needs no right to create once the schema is there', async () => {
    const { root, names, server: mariadb } = opened();
    await root(
      `CREATE USER 'writer'@'127.0.0.1' IDENTIFIED BY 'writer'; GRANT SELECT, INSERT, UPDATE, DELETE ON ${names[0]}.* TO 'writer'@'127.0.0.1'`,
    );
    const store = newStore({ url: urlOf(mariadb, names[0] as string).replace('sluice:sluice', 'writer:writer') });
    await assert.doesNotReject(store.open());
  });

  test('open warns of a server that does not flush each commit', async () => {
    const { root } = opened();
    const store = newStore();
    await store.open();
    assert.deepEqual(store.warnings, []);
    await root('SET GLOBAL innodb_flush_log_at_trx_commit = 2');
    await store.open();
    assert.equal(store.warnings.length, 1);
    assert.match(String(store.warnings[0]), /innodb_flush_log_at_trx_commit is 2/);
    await root('SET GLOBAL innodb_flush_log_at_trx_commit = 1');
  });

  test('open refuses another layout of the journal', async () => {
    const store = newStore({ journal: { tables: 4 } });
    await assert.rejects(
      store.open(),
      (error: SluiceError) => error.code === 'E4002' && /0\/1x1.*0\/1x4/.test(error.detail),
    );
  });

  test('a server that stands still costs each call its deadline, and nothing once it moves', async () => {
    const { server: mariadb } = opened();
    const store = newStore({ timeoutMs: 400, connections: 2 });
    await store.open();
    const partition = newPartition();
    const table = newTable();
    const append = (offset: number) => answerOf(store.append(partition, [changeAt(table, `k${offset}`, offset)]));
    await append(0);
    await mariadb.pause();
    try {
      const startMs = performance.now();
      const calls = await Promise.allSettled([append(1), append(2), append(3), append(4), store.ping()]);
      for (const call of calls) {
        assert.equal(call.status, 'rejected');
        assert.equal((call.reason as SluiceError).code, 'E4001');
        assert.equal((call.reason as SluiceError).retriable, true);
      }
      assert.ok(performance.now() - startMs < 2000, 'twice the deadline: for a connection, then for the statement');
    } finally {
      mariadb.resume();
    }
    await eventually(() => append(1));
    const { read, names } = opened();
    await eventually(async () => {
      const rows = await read(
        names[0] as string,
        `SELECT DISTINCT version FROM buffer_backup WHERE topic = '${partition.topic}'`,
      );
      assert.ok(rows.length >= 2);
    });
  });

  test('a process that stood still longer than a deadline reads the answer instead of giving up', async () => {
    const store = newStore({ timeoutMs: 300, connections: 1 });
    await store.open();
    const calls = [store.ping(), store.ping()];
    await new Promise(setImmediate); // one statement is on its way, the other waits for the connection
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1200);
    await assert.doesNotReject(Promise.all(calls));
  });

  test('a store whose server stands still is closed within seconds and leaves no connection open', async () => {
    const { server: mariadb } = opened();
    const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): unknown[] };
    const isOpen = (handle: unknown) => handle instanceof Socket && handle.remotePort === mariadb.port;
    const sockets = () => handles().filter(isOpen).length;
    await Promise.all(stores.map((one) => one.close())); // those of the tests before
    await eventually(async () => assert.equal(sockets(), 0));
    const store = newStore({ timeoutMs: 400, connections: 3 }); // of which two may stay open unused
    await store.open();
    await Promise.all([store.ping(), store.ping()]);
    assert.equal(sockets(), 2);
    await mariadb.pause();
    try {
      await assert.rejects(store.ping()); // one connection has an answer outstanding, the other is idle
      const startMs = performance.now();
      await store.close();
      assert.ok(performance.now() - startMs < 3000);
      await eventually(async () => assert.equal(sockets(), 0));
    } finally {
      mariadb.resume();
    }
  });

  test('connections that nobody uses are closed, and opened again when they are needed', async () => {
    const { names, root } = opened();
    await Promise.all(stores.map((one) => one.close())); // those of the tests before
    const store = newStore();
    await store.open();
    const openedMs = performance.now();
    const connections = async () => {
      const list = `SELECT COUNT(*) FROM information_schema.processlist WHERE db = '${names[0]}'`;
      return Number((await root(list)).trim().split('\n').at(-1));
    };
    assert.ok((await connections()) > 0);
    await eventually(async () => assert.equal(await connections(), 0));
    assert.ok(performance.now() - openedMs > 4000, 'one that is used every few seconds stays');
    await assert.doesNotReject(store.ping());
  });

  test('while the server is down calls reject at once, and work again when it is back', async () => {
    const { server: mariadb } = opened();
    const store = newStore({ timeoutMs: 5000 });
    await store.open();
    const partition = newPartition();
    const table = newTable();
    const park = (offset: number) => answerOf(store.park([parkedAt(partition, changeAt(table, 'k', offset))]));
    await park(1);
    await mariadb.kill();
    const startMs = performance.now();
    for (let offset = 2; offset < 12; offset++) {
      await assert.rejects(park(offset), (error: SluiceError) => error.code === 'E4001' && error.retriable);
    }
    assert.ok(performance.now() - startMs < 2000);
    await mariadb.start();
    await eventually(() => park(12));
    assert.deepEqual(
      (await allParked(store, partition)).map(({ change }) => change.offset),
      [12],
    );
  });
});

describe('journal of several databases', () => {
  test('each table has one shard, each shard its view, and the control database no journal', async () => {
    const { mariadb } = await sharedStack('mariadb');
    const { names, urls, read, remove } = await newDatabases(mariadb, 3);
    const [control, ...journals] = names as [string, string, string];
    const store = mysqlStore({ url: urls[0] as string, lookup, journal: { urls: urls.slice(1), tables: 16 } });
    await store.open();
    const partition = newPartition();
    const tables = Array.from({ length: 40 }, newTable);
    await answerOf(
      store.append(
        partition,
        tables.map((table, offset) => changeAt(table, 'k', offset)),
      ),
    );
    await answerOf(
      store.savePositions([
        { ...partition, settled: 20, anchor: null, deletesChecked: 0, candidate: 0, candidateSinceMs: 0 },
      ]),
    );
    const counts = await Promise.all(
      journals.map((name) => read(name, 'SELECT record_offset, is_synced FROM buffer_backup')),
    );
    assert.ok(
      counts.every((rows) => rows.length > 5),
      'both databases have their share',
    );
    const synced = counts.flat().filter((row) => Number(row.is_synced) === 1);
    assert.deepEqual(
      synced.map((row) => Number(row.record_offset)).sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, offset) => offset),
    );
    const controlTables = await read(control, "SHOW TABLES LIKE 'journal\\_%'");
    assert.deepEqual(
      controlTables.map((row) => Object.values(row)[0]),
      ['journal_gaps'],
    );
    await store.close();
    await remove();
  });
});

test('a store URL that cannot be used is refused without showing it', () => {
  for (const url of ['postgres://u:hidden@h/d', 'mysql://u:hidden@h', 'hidden', 'mysql://u:hidden@h/a/b'])
    assert.throws(
      () => mysqlStore({ url, lookup }),
      (error: SluiceError) => error.code === 'E1001' && !error.line.includes('hidden'),
    );
});

async function eventually<T>(call: () => Promise<T>, deadlineMs = 15_000): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
