import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ElasticsearchReader } from '../../support/elasticsearch-reader.ts';
import { eventually } from '../../support/eventually.ts';
import { expectConverged } from '../../support/expect-converged.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { type Elasticsearch, remove, sharedStack, startElasticsearch } from '../stack.ts';
import { type LoadedDeployment, loadedDeployment } from './deployment.ts';

const OUTAGE_MS = 60_000;
const MIB = 1 << 20;

let elasticsearch: Elasticsearch;
let deployed: LoadedDeployment;

before(async () => {
  const shared = await sharedStack('kafka', 'redis', 'mariadb');
  elasticsearch = await startElasticsearch();
  deployed = await loadedDeployment(
    'es_outage',
    { ...shared, elasticsearch },
    { partitions: 2, seed: 12, perSecond: 1000, mix: { insert: 50, update: 97, delete: 2, rekey: 1 } },
  );
});

after(async () => {
  killRunning();
  await elasticsearch?.start(); // when a failure left it away
  await deployed?.remove();
  if (elasticsearch) await remove([elasticsearch]);
});

test('while Elasticsearch is away for a minute the window goes on folding in flat memory, and what was written then arrives, once a key', async () => {
  const { config, writer } = deployed;
  // Nothing is parked in this minute: it all rests on the window.
  const settings = { ...config, window: { ms: 1000, parkAfterWindows: 600 } };
  const sluice = await SluiceProcess.start(settings, { isInspected: true });
  writer.start();
  await eventually('documents arrive', async () => (await sluice.metric('sluice_indexed_total')) > 2000);

  await elasticsearch.stop();
  const recordsBefore = writer.changes.length;
  const foldedBefore = await folded(sluice);
  const startedMs = performance.now();
  let mostResident = 0;
  const until = (atMs: number): Promise<unknown> =>
    eventually(
      'time has passed',
      () => {
        mostResident = Math.max(mostResident, sluice.residentBytes);
        return performance.now() - startedMs > atMs;
      },
      { withinMs: atMs + 10_000, everyMs: 500 },
    );
  await until(OUTAGE_MS / 3);
  const early = await sluice.liveHeapBytes();
  await until(OUTAGE_MS);
  // Not at any moment: what was just fetched is live as well, and on a busy machine that may be thousands of changes.
  const isFlat = async (): Promise<boolean> => (await sluice.liveHeapBytes()) - early < 8 * MIB;
  await eventually('what is live on the heap is what it was', isFlat, { withinMs: 30_000, everyMs: 1000 });
  const { changes, coalesced } = await folded(sluice);
  const held = await sluice.metric('sluice_in_flight_bytes');
  await writer.stop();
  const written = writer.changes.length - recordsBefore;
  await elasticsearch.start();
  await expectConverged(deployed, { withinMs: 120_000 });

  assert.ok(mostResident < 512 * MIB, `resident set reached ${Math.round(mostResident / MIB)} MiB`);
  assert.ok(held < 16 * MIB, `${held} bytes of rows and tickets were held at the end`);

  const share = (coalesced - foldedBefore.coalesced) / (changes - foldedBefore.changes);
  assert.ok(
    changes - foldedBefore.changes > written / 2,
    `windows closed over ${changes - foldedBefore.changes} changes`,
  );
  assert.ok(share > 0.8, `${share} of the changes met an older one of their key`);
  // Elasticsearch counts from its start.
  const writes = await new ElasticsearchReader(elasticsearch.url).indexTotal(writer.index);
  assert.ok(writes < written / 5, `${writes} documents were written for ${written} changes`);
  assert.equal(await sluice.metric('sluice_parked_total'), 0);
  assert.equal(await sluice.stop(), 0, sluice.output);
});

async function folded(sluice: SluiceProcess): Promise<{ changes: number; coalesced: number }> {
  return {
    changes: await sluice.metric('sluice_window_changes_total'),
    coalesced: await sluice.metric('sluice_coalesced_total'),
  };
}
