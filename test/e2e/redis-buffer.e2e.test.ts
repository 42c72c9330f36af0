import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { SluiceError } from '../../src/pipeline/errors.ts';
import type { ChangeBuffer } from '../../src/pipeline/ports.ts';
import { bufferKey } from '../../src/sinks/buffer-key.ts';
import { type RedisBufferOptions, redisBuffer } from '../../src/sinks/redis-buffer.ts';
import { type BufferUnderTest, changeOf, freshTable, testBufferConformance, upsert } from '../conformance/buffer.ts';
import { type RedisCluster, type Redis as RedisServer, startRedis, startRedisCluster } from './stack.ts';

let server: RedisServer;
let cluster: RedisCluster;

before(async () => {
  [server, cluster] = await Promise.all([startRedis({ appendonly: false }), startRedisCluster({ appendonly: false })]);
});
after(async () => {
  await Promise.all([server?.remove(), cluster?.stop()]);
});

testBufferConformance('redis', () => open({ url: server.url }), 20);
testBufferConformance('redis cluster', () => open({ nodes: cluster.addresses }), 20);

async function open(address: RedisBufferOptions): Promise<BufferUnderTest> {
  const buffer = redisBuffer({ ...address, timeoutMs: 5000 });
  const brief = redisBuffer({ ...address, timeoutMs: 5000, expirySeconds: 1 });
  return {
    buffer,
    brief,
    letOneSecondPass: () => pause(1100), // Redis keeps its own time
    close: async () => {
      await Promise.all([buffer.close(), brief.close()]);
    },
  };
}

describe('redis buffer on one server', () => {
  let client: Redis;
  let buffer: ReturnType<typeof redisBuffer>;
  before(() => {
    client = new Redis(server.url);
    buffer = redisBuffer({ url: server.url });
  });
  after(async () => {
    client.disconnect();
    await buffer.close();
  });

  test('the value is plain JSON under the key of the request, and expires after five minutes', async () => {
    const table = freshTable();
    await upsert(buffer, [changeOf(table, '1001', 42)]);
    const key = `buffer:${table.qualified}:1001`;
    assert.equal(key, bufferKey(table, '1001', null));
    assert.equal(JSON.parse((await client.get(key)) ?? '').version, 42);
    const leftMs = await client.pttl(key);
    assert.ok(leftMs > 290_000 && leftMs <= 300_000, String(leftMs));
  });

  test('a foreign value under a row’s key is replaced, and spares the neighbours', async () => {
    const table = freshTable();
    const [a, b, c] = [changeOf(table, 'a', 1), changeOf(table, 'b', 1), changeOf(table, 'c', 1)];
    await client.hset(bufferKey(table, 'a', null), 'field', 'value');
    await client.set(bufferKey(table, 'b', null), 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz');
    assert.equal(await buffer.read(table, 'b'), null);
    await upsert(buffer, [a, b, c]);
    for (const { key } of [a, b, c]) assert.equal((await buffer.read(table, key))?.version, 1);
  });

  test('scripts are loaded again after the server forgot them', async () => {
    const table = freshTable();
    await upsert(buffer, [changeOf(table, 'a', 1)]);
    await client.script('FLUSH');
    await upsert(buffer, [changeOf(table, 'a', 2)]);
    assert.equal((await buffer.read(table, 'a'))?.version, 2);
  });

  test('after FLUSHALL the buffer is empty and takes rows as before', async () => {
    const table = freshTable();
    await upsert(buffer, [changeOf(table, 'a', 5)]);
    await client.flushall();
    assert.equal(await buffer.read(table, 'a'), null);
    assert.equal(await buffer.size(), 0);
    await upsert(buffer, [changeOf(table, 'a', 4)]);
    assert.equal((await buffer.read(table, 'a'))?.version, 4);
  });

  test('the size leaves out most of a database that others use too', async () => {
    await client.flushall();
    await client.mset(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`other:${i}`, ''])));
    const table = freshTable();
    await upsert(
      buffer,
      Array.from({ length: 1000 }, (_, i) => changeOf(table, `k${i}`, 1)),
    );
    const size = await buffer.size();
    assert.ok(size > 700 && size < 1300, `${size} for 1000`);
    await client.flushall();
  });

  test('a row of many megabytes is buffered without its data', async () => {
    const table = freshTable();
    await upsert(buffer, [changeOf(table, 'a', 5, { text: JSON.stringify('x'.repeat(2 ** 21)) })]);
    const record = await buffer.read(table, 'a');
    assert.deepEqual([record?.version, record?.data], [5, '']);
  });

  test('ping warns of a policy under which rows are evicted, until it is changed', async () => {
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await buffer.ping();
    assert.match(buffer.warnings.join(), /allkeys-lru/);
    await client.config('SET', 'maxmemory-policy', 'noeviction');
    await buffer.ping();
    assert.deepEqual(buffer.warnings, []);
  });

  test('a full server refuses rows with E5001, and the error holds none of them', async () => {
    await client.config('SET', 'maxmemory', '1');
    try {
      const error = await failureOf(upsert(buffer, [changeOf(freshTable(), 'secret-key', 1)]));
      assert.equal(error.detail, 'OOM');
      assert.doesNotMatch(JSON.stringify([error, error.message, error.stack, error.cause]), /secret-key/);
    } finally {
      await client.config('SET', 'maxmemory', '0');
    }
  });
});

describe('redis buffer whose server goes away', () => {
  let own: RedisServer;
  before(async () => {
    own = await startRedis({ appendonly: false });
  });
  after(async () => {
    await own?.remove();
  });

  test('calls fail at once while the server is down, and succeed again when it is back', async () => {
    const buffer = redisBuffer({ url: own.url });
    const table = freshTable();
    await upsert(buffer, [changeOf(table, 'a', 1)]);
    await own.stop();
    await failureOf(until(() => upsert(buffer, [changeOf(table, 'a', 2)]).then(() => false)));
    const startedMs = performance.now();
    for (let i = 0; i < 20; i += 1) await failureOf(upsert(buffer, [changeOf(table, 'a', 2)]));
    assert.ok(performance.now() - startedMs < 1500, 'twenty refusals took longer than one time-out and a half');
    await own.start();
    await until(() => succeeds(upsert(buffer, [changeOf(table, 'a', 3)])));
    assert.equal((await buffer.read(table, 'a'))?.version, 3);
    await buffer.close();
  });

  test('a first call to a server that is down fails with its reason, and a later one finds it', async () => {
    await own.stop();
    const buffer = redisBuffer({ url: own.url });
    const error = await failureOf(buffer.ping());
    assert.equal(error.detail, 'ECONNREFUSED');
    await own.start();
    await until(() => succeeds(buffer.ping()));
    await buffer.close();
    await failureOf(buffer.ping());
  });

  test('a server that answers nothing costs one time-out a call', async () => {
    const buffer = redisBuffer({ url: own.url, timeoutMs: 300 });
    const table = freshTable();
    await upsert(buffer, [changeOf(table, 'a', 1)]);
    await own.pause();
    try {
      const startedMs = performance.now();
      assert.equal((await failureOf(upsert(buffer, [changeOf(table, 'a', 2)]))).detail, 'timed out');
      assert.ok(performance.now() - startedMs < 1000);
    } finally {
      own.resume();
    }
    await until(() => succeeds(upsert(buffer, [changeOf(table, 'a', 3)])));
    await buffer.close();
  });
});

test('redis cluster: rows are taken again after a master died', async () => {
  const buffer = redisBuffer({ nodes: cluster.addresses });
  const table = freshTable();
  const changes = (version: number) => Array.from({ length: 200 }, (_, i) => changeOf(table, `k${i}`, version));
  await upsert(buffer, changes(1));
  const victim = await masterOf(cluster);
  await victim.kill();
  let version = 1;
  await until(() => {
    version += 1;
    return succeeds(upsert(buffer, changes(version)));
  });
  assert.ok(version > 2, 'no call failed: the victim was not a master');
  assert.equal((await readSome(buffer, changes(version))).size, 1);
  await victim.start();
  await buffer.close();
});

async function masterOf(cluster: RedisCluster): Promise<RedisCluster['nodes'][number]> {
  for (const node of cluster.nodes) {
    const client = new Redis(node.port, node.host);
    const replication = await client.info('replication');
    client.disconnect();
    if (replication.includes('role:master')) return node;
  }
  throw new Error('no node of the cluster is a master');
}

/** The distinct versions that the rows read with. */
async function readSome(
  buffer: ChangeBuffer,
  changes: ReturnType<typeof changeOf>[],
): Promise<Set<number | undefined>> {
  const records = await Promise.all(changes.map(({ table, key }) => buffer.read(table, key)));
  return new Set(records.map((record) => record?.version));
}

async function failureOf(call: Promise<unknown>): Promise<SluiceError> {
  const error = await call.then(
    () => null,
    (error: unknown) => error,
  );
  assert.ok(error instanceof SluiceError, `E5001 was expected, not ${error}`);
  assert.deepEqual([error.code, error.retriable], ['E5001', true]);
  return error;
}

const succeeds = (call: Promise<unknown>): Promise<boolean> =>
  call.then(
    () => true,
    () => false,
  );

/** Polls until the condition holds, for thirty seconds at most. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, 'the condition did not come true in 30 s');
    await pause(50);
  }
}
