import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Redis } from 'ioredis';
import { checksumOf, versionOf } from '../../../src/pipeline/change.ts';
import { documentOf } from '../../../src/pipeline/json-document.ts';
import { canalMessage, orderRow } from '../../support/canal-message.ts';
import { eventually } from '../../support/eventually.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { sharedStack } from '../stack.ts';
import { type Deployment, deployment } from './deployment.ts';

const HOT_ROWS = 100;
const UPDATES_EACH = 100;
const UPDATES = HOT_ROWS * UPDATES_EACH;

let own: Deployment;
let redis: Redis;

before(async () => {
  const servers = await sharedStack('kafka', 'redis', 'mariadb', 'elasticsearch');
  own = await deployment('hot_rows', servers);
  redis = new Redis(servers.redis.url);
});

after(async () => {
  killRunning();
  redis.disconnect();
  await own.remove();
});

test('10,000 updates of 100 hot rows in one window are 100 document writes, while Redis shows the newest of each', async () => {
  const ids = Array.from({ length: HOT_ROWS }, (_, i) => i + 1);
  await send('INSERT', [ids], 1);
  const sluice = await SluiceProcess.start({ ...own.config, window: { ms: 10_000 } });
  await eventually('the rows are indexed', async () => (await own.reader.versions(own.index)).size === HOT_ROWS);
  const before = await own.reader.indexTotal(own.index);
  assert.equal(before, HOT_ROWS);

  // The window has just closed, so all of this falls into the next one.
  const rounds = Array.from({ length: UPDATES_EACH }, () => ids);
  await send('UPDATE', rounds, 2);
  await eventually('every update is buffered and journaled', async () => {
    return (await sluice.metric('sluice_changes_journaled_total')) === HOT_ROWS + UPDATES;
  });
  const buffered = await redis.mget(ids.map((id) => `buffer:${own.table.database}.${own.table.table}:${id}`));
  const newest = ids.map((id) => ({
    id,
    version: versionOf(0, UPDATES + id - 1),
    source: sourceOf(id, 1 + UPDATES_EACH),
  }));
  assert.deepEqual(
    buffered.map((text) => withoutTime(text)),
    newest.map(({ id, source, version }) => ({
      primaryKey: String(id),
      tableName: `${own.table.database}.${own.table.table}`,
      operation: 'UPDATE',
      data: source,
      checksum: checksumOf(documentOf(source)),
      version,
    })),
  );
  assert.equal(await own.reader.indexTotal(own.index), before, 'the window is still open');

  await eventually('the window is settled', async () => (await own.committed())[0] === HOT_ROWS + UPDATES);
  assert.equal((await own.reader.indexTotal(own.index)) - before, HOT_ROWS);
  assert.deepEqual(
    await own.reader.documents(own.index),
    new Map(newest.map(({ id, source, version }) => [String(id), { version, source }])),
  );
  assert.equal(await sluice.metric('sluice_windows_total'), 2);
  assert.equal(await sluice.metric('sluice_coalesced_total'), UPDATES - HOT_ROWS);
  await eventually(
    'Redis is clean again',
    async () => (await redis.keys(`buffer:${own.table.database}.*`)).length === 0,
  );
  assert.equal(await sluice.stop(), 0, sluice.output);
});

/** One message a row, round after round; each round writes the next version. */
async function send(
  type: 'INSERT' | 'UPDATE',
  rounds: readonly (readonly number[])[],
  firstVersion: number,
): Promise<void> {
  const messages = rounds.flatMap((ids, round) =>
    ids.map((id) => ({ value: canalMessage(own.table, type, [orderRow(id, firstVersion + round)]) })),
  );
  for (let from = 0; from < messages.length; from += 2000) {
    await own.producer.send({ topic: own.topic, messages: messages.slice(from, from + 2000) });
  }
}

function sourceOf(id: number, version: number): string {
  const { note, status } = orderRow(id, version);
  return JSON.stringify({ id, version, status: Number(status), note });
}

function withoutTime(text: string | null): object {
  const { timestamp, ...record } = JSON.parse(text ?? '{}') as { timestamp: number };
  assert.ok(timestamp > 1_600_000_000_000, text ?? 'not in Redis');
  return record;
}
