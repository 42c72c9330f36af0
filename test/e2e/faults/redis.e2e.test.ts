import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Redis } from 'ioredis';
import { eventually } from '../../support/eventually.ts';
import { expectConverged } from '../../support/expect-converged.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { type Redis as RedisServer, remove, sharedStack, startRedis } from '../stack.ts';
import { type LoadedDeployment, loadedDeployment } from './deployment.ts';

const PER_SECOND = 400;
/** A stream that waits for Redis falls behind by every second of the outage; one that does not, by a window and a time-out. */
const MOST_BEHIND = 6 * PER_SECOND;
const OUTAGE_RECORDS = 12 * PER_SECOND;

let redis: RedisServer;
let own: LoadedDeployment;
let sluice: SluiceProcess;

before(async () => {
  const [server, shared] = await Promise.all([
    startRedis({ appendonly: false }),
    sharedStack('kafka', 'mariadb', 'elasticsearch'),
  ]);
  redis = server;
  own = await loadedDeployment('redis', { ...shared, redis }, { partitions: 2, perSecond: PER_SECOND, seed: 31 });
  sluice = await SluiceProcess.start(own.config);
});

after(async () => {
  killRunning();
  await own?.remove();
  await remove([redis]);
});

test('Redis emptied again and again under load loses nothing', async () => {
  const client = new Redis(redis.url);
  own.writer.start();
  for (let round = 0; round < 5; round += 1) {
    await eventually('something is buffered', async () => (await client.dbsize()) > 0, { everyMs: 5 });
    await client.flushall();
    await client.script('FLUSH');
    await written(PER_SECOND);
  }
  client.disconnect();
  await own.writer.stop();
  await expectConverged(own);
  assert.equal(await sluice.metric('sluice_dependency_errors_total', 'name="buffer"'), 0);
});

test('Redis stopped under load is told of, slows nothing down, and is used again when it is back', async () => {
  own.writer.start();
  await eventually('the load is under way', async () => (await sluice.metric('buffer_size')) > 0);
  await redis.kill();
  await goesOnWithoutRedis();
  await redis.start();
  await usesRedisAgain();
  await own.writer.stop();
  await expectConverged(own);
});

test('Redis that answers nothing any more under load is told of, slows nothing down, and is used again when it answers', async () => {
  own.writer.start();
  await eventually('the load is under way', async () => (await sluice.metric('buffer_size')) > 0);
  await redis.pause();
  await goesOnWithoutRedis();
  redis.resume();
  await usesRedisAgain();
  await own.writer.stop();
  await expectConverged(own);
});

test('a service that starts without Redis becomes ready and delivers', async () => {
  assert.equal(await sluice.stop(), 0, sluice.output);
  await redis.kill();
  sluice = await SluiceProcess.start(own.config);
  await own.writer.write(500);
  await expectConverged(own);
  assert.equal(await isBufferUp(), 0);
  await redis.start();
  assert.equal(await sluice.stop(), 0, sluice.output);
});

/** Writes on until the outage has lasted, watching how far the position is behind all the while. */
async function goesOnWithoutRedis(): Promise<void> {
  await eventually('the outage shows', async () => (await isBufferUp()) === 0);
  const { dependencies } = JSON.parse((await sluice.get('/health')).text) as {
    dependencies: Record<string, { status: string; code: string }>;
  };
  assert.equal(dependencies.buffer?.status, 'down');
  assert.equal(dependencies.buffer?.code, 'E5001');
  assert.match(sluice.output, /E5001/);
  const backlogs: number[] = [];
  const statuses = new Set<number>();
  await written(OUTAGE_RECORDS, async () => {
    backlogs.push(await own.backlog());
    for (const path of ['/readyz', '/livez']) statuses.add((await sluice.get(path)).status);
  });
  assert.ok(backlogs.length > 10 && Math.max(...backlogs) < MOST_BEHIND, `records behind: ${backlogs}`);
  assert.deepEqual([...statuses], [200]);
}

async function usesRedisAgain(): Promise<void> {
  await eventually('Redis is used again', async () => (await isBufferUp()) === 1);
  const before = await sluice.metric('sluice_changes_buffered_total');
  await eventually('changes are buffered again', async () => {
    return (await sluice.metric('sluice_changes_buffered_total')) > before + PER_SECOND;
  });
}

function isBufferUp(): Promise<number> {
  return sluice.metric('sluice_dependency_up', 'name="buffer"');
}

/** Resolves when the running load has written so many more records; `watch` is called all the while. */
async function written(records: number, watch: () => Promise<void> = async () => undefined): Promise<void> {
  const ended = own.writer.changes.length + records;
  await eventually(
    'the load goes on',
    async () => {
      await watch();
      return own.writer.changes.length >= ended;
    },
    { everyMs: 200, withinMs: 120_000 },
  );
}
