import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Redis } from 'ioredis';
import { DEFAULT_OPTIONS } from '../../../src/pipeline/stages.ts';
import { REMOVE_IF_NOT_NEWER, SET_IF_NEWER } from '../../../src/sinks/redis-buffer-scripts.ts';
import { remove, startElasticsearch, startMariadb, startRedis } from '../stack.ts';
import { exceeding } from './bounds.ts';
import { countFed, type Feeding, loadOf } from './fed-service.ts';
import type { CountedServers, ServerCounts } from './server-counts.ts';

/** Their counters are read, so nobody else may use them. */
let servers: CountedServers;

before(async () => {
  const [redis, mariadb, elasticsearch] = await Promise.all([startRedis(), startMariadb(), startElasticsearch()]);
  servers = { redis, mariadb, elasticsearch };
  // A script that Redis does not know is sent again, whole: once for all, and not counted here.
  const client = new Redis(redis.url);
  for (const { lua } of [SET_IF_NEWER, REMOVE_IF_NOT_NEWER]) await client.script('LOAD', lua);
  await client.quit();
});

after(async () => {
  if (servers !== undefined) await remove([servers.redis, servers.mariadb, servers.elasticsearch]);
});

/** With a clock that stands still, a call that has to be repeated waits for ever. */
const PATIENCE = { timeout: 180_000 };

type Bounds = Readonly<Partial<Record<keyof ServerCounts, number>>>;

/** What 10,000 changes on one partition may cost. Slices are of 500 records, and bulk requests of 1000 documents. */
const UNIQUE: Bounds = {
  // A call for each of 20 slices, and 2 for what each of 10 bulk requests settled.
  redisScripts: 40,
  // Beside the calls, each of the 20 that store asks once and each of the 20 others removes once; each key is set, then compared.
  redisCommands: 40 + 20 + 20 + 2 * 10_000,
  bulkRequests: 10,
  indexWrites: 10_000,
};

/** The same when only 2411 keys are drawn: 3 bulk requests, whose keys leave Redis in 2 + 2 + 1 calls. */
const ZIPF: Bounds = {
  redisScripts: 20 + 5,
  // A key is compared and set once a slice at most, however often it comes in it.
  redisCommands: 25 + 20 + 5 + 2 * 5000 + 2411,
  bulkRequests: 3,
  indexWrites: 2411,
};

/**
 * One insert for each of 20 slices of 500 rows; a monitor row for each of 10 bulk requests; and 28 statements at start
 * and end, which do not grow with the changes. A shape is prepared once on each of at most 4 connections, beside some 20
 * statements of start and end.
 */
const STEADY_SQL: Bounds = { statements: 20 + 10 + 28, inserts: 20 + 10 + 6, prepares: 1 + 24 };

/** What has waited goes 5000 rows at a time, 500 a statement, between BEGIN and COMMIT. */
const BEHIND_SQL: Bounds = { statements: 1 + 12 + 11 + 10 + 28, inserts: 1 + 10 + 9 + 10 + 6, prepares: 1 + 24 };

/**
 * Redis gets the first slice with its 241 keys, the ten that waited behind it with 1500 and the nine behind those with 1331,
 * and 2411 keys leave it in 5 calls as before.
 */
const BEHIND_REDIS: Bounds = {
  redisScripts: 1 + 3 + 3 + 5,
  redisCommands: 12 + 7 + 5 + 241 + 2 * (1500 + 1331) + 2411,
};

const count = (load: Parameters<typeof loadOf>, feeding: Feeding): Promise<ServerCounts> =>
  countFed(servers, loadOf(...load), feeding);

test(
  '10,000 changes of distinct keys, slice by slice, cost no more calls and statements than their batches need',
  PATIENCE,
  async () => {
    const counts = await count(['unique', 1], { pace: 'steady' });
    assert.deepEqual(exceeding(counts, { ...UNIQUE, ...STEADY_SQL }), [], JSON.stringify(counts));
  },
);

test('10,000 changes of 2411 keys are indexed in 2411 writes, and leave Redis in as few calls', PATIENCE, async () => {
  const counts = await count(['zipf', 1], { pace: 'steady' });
  assert.deepEqual(exceeding(counts, { ...ZIPF, ...STEADY_SQL }), [], JSON.stringify(counts));
});

test('what has waited for the journal is appended together', PATIENCE, async () => {
  const counts = await count(['unique', 1], { pace: 'behind' });
  assert.deepEqual(exceeding(counts, { ...UNIQUE, ...BEHIND_SQL }), [], JSON.stringify(counts));
});

test('what has waited for Redis is stored together, and each row once', PATIENCE, async () => {
  const counts = await count(['zipf', 1], { pace: 'behind' });
  assert.deepEqual(exceeding(counts, { ...ZIPF, ...BEHIND_REDIS }), [], JSON.stringify(counts));
  const apart = await count(['zipf', 1], { pace: 'steady' });
  assert.deepEqual(exceeding(apart, BEHIND_REDIS), ['redisScripts', 'redisCommands'], JSON.stringify(apart));
});

test('four partitions cost an append each where one would do, and no more bulk requests', PATIENCE, async () => {
  const counts = await count(['unique', 4], { pace: 'behind' });
  // Each partition ends in a slice of its own, two of a single record. What has waited of each is an append of its own, and
  // recovery and positions ask some questions of each partition.
  const bounds = {
    ...UNIQUE,
    redisScripts: 40 + 2,
    redisCommands: 42 + 22 + 20 + 20_000,
    statements: 107,
    inserts: 45,
  };
  assert.deepEqual(exceeding(counts, bounds), [], JSON.stringify(counts));
});

test('the bounds refuse small slices, small bulk requests and windows that close too early', PATIENCE, async () => {
  const small = await count(['unique', 1], { pace: 'steady', sliceRecords: 100 });
  // Shapes of few rows are prepared more often, too: how often depends on the connections that a busy machine needs.
  const { prepares: _, ...steady } = STEADY_SQL;
  assert.deepEqual(exceeding(small, { ...UNIQUE, ...steady }), [
    'redisScripts',
    'redisCommands',
    'statements',
    'inserts',
  ]);
  const bulk = { documents: 400, bytes: 5 << 20 };
  const some = await count(['unique', 1], { pace: 'steady', options: { batch: bulk } });
  assert.ok(exceeding(some, UNIQUE).includes('bulkRequests'), JSON.stringify(some));
  const window = { ...DEFAULT_OPTIONS.window, maxKeys: 500 };
  const early = await count(['zipf', 1], { pace: 'steady', options: { window } });
  assert.ok(exceeding(early, ZIPF).includes('indexWrites'), JSON.stringify(early));
});
