import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import {
  committedOffsets,
  expectConverged,
  indexedDocuments,
  parkedCount,
  passedTooEarly,
} from '../../support/expect-converged.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { type Elasticsearch, remove, sharedStack, startElasticsearch } from '../stack.ts';
import { type LoadedDeployment, loadedDeployment } from './deployment.ts';

/** How long Elasticsearch is away. With less than 150 s the kill comes after the middle. */
const OUTAGE_MS = 1000 * Number(process.env.SLUICE_TEST_OUTAGE_SECONDS ?? 300);
const MIB = 1 << 20;

let elasticsearch: Elasticsearch;
let deployed: LoadedDeployment;

before(async () => {
  const shared = await sharedStack('kafka', 'redis', 'mariadb');
  elasticsearch = await startElasticsearch();
  deployed = await loadedDeployment(
    'es_long_outage',
    { ...shared, elasticsearch },
    { partitions: 2, seed: 14, perSecond: 100 },
  );
});

after(async () => {
  killRunning();
  await elasticsearch?.start(); // when a failure left it away
  await deployed?.remove();
  if (elasticsearch) await remove([elasticsearch]);
});

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

test('while Elasticsearch is away for minutes keys are parked and the position moves on, and a kill in the middle loses nothing', async () => {
  const { config, storeUrl, writer } = deployed;
  // The window as it is by default: keys are parked after 10 windows of 3 s.
  const { window: _, ...rest } = config;
  const settings = { ...rest, source: { ...config.source, sessionTimeoutMs: 6000 } };
  const first = await SluiceProcess.start(settings);
  await writer.write(3000);
  await expectConverged(deployed);
  // From here on nothing is indexed: what the position passes must be in the store.
  const indexed = await indexedDocuments(deployed);
  await elasticsearch.stop();
  const startedMs = performance.now();
  const lasted = (share: number): boolean => performance.now() - startedMs > OUTAGE_MS * share;
  const until = (share: number, sluice: SluiceProcess): Promise<number> => {
    let most = 0;
    const check = (): number | false => {
      most = Math.max(most, sluice.residentBytes);
      return lasted(share) && most;
    };
    return eventually(`${share} of the outage is over`, check, { withinMs: OUTAGE_MS + 10_000, everyMs: 1000 });
  };
  const writtenBefore = writer.changes.length;
  writer.start();

  /** Waits until what was written up to now is passed: as soon as it is parked, which takes 10 windows at first. */
  const keepsUp = async (what: string): Promise<void> => {
    const written = writer.changes.length;
    await eventually('the load goes on', () => writer.changes.length > written + 300);
    const ends = [...writer.ends];
    await eventually(
      what,
      async () =>
        (await committedOffsets(deployed)).every((offset, partition) => offset >= (ends[partition] as number)),
      { withinMs: 75_000, everyMs: 500 },
    );
    assert.ok((await parkedCount(storeUrl)) > 0, 'they are parked');
    assert.deepEqual(await passedTooEarly(deployed, indexed), [], what);
  };
  await keepsUp('the position passes the first records of the outage');
  await keepsUp('it goes on passing');
  const mostBefore = await until(0.5, first);
  await first.kill();
  const killedAt = sum(await committedOffsets(deployed));
  assert.deepEqual(await passedTooEarly(deployed, indexed), [], 'at the kill');

  // It cannot be ready while Elasticsearch has never answered; it works all the same.
  const second = await SluiceProcess.spawn(settings);
  await keepsUp('the position moves on after the kill');
  assert.ok(sum(await committedOffsets(deployed)) > killedAt);
  const mostAfter = await until(1, second);
  assert.deepEqual(await passedTooEarly(deployed, indexed), [], 'at the end of the outage');
  const keys = new Set(writer.changes.slice(writtenBefore).map(({ key }) => key)).size;
  const parked = await parkedCount(storeUrl);
  assert.ok(parked > keys / 2 && parked <= keys, `${parked} keys are parked, ${keys} have changed: one row a key`);
  const most = Math.max(mostBefore, mostAfter);
  assert.ok(most < 512 * MIB, `resident set reached ${Math.round(most / MIB)} MiB`);

  await elasticsearch.start();
  await writer.stop();
  await expectConverged(deployed, { withinMs: 120_000 });
  assert.equal(await second.stop(), 0, second.output);
});
