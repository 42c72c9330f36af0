import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ElasticsearchReader } from '../../support/elasticsearch-reader.ts';
import { eventually } from '../../support/eventually.ts';
import { committedOffsets, expectConverged, indexedDocuments, journalGaps } from '../../support/expect-converged.ts';
import type { WrittenChange } from '../../support/load-writer.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { type Mariadb, remove, sharedStack, startMariadb } from '../stack.ts';
import { type LoadedDeployment, loadedDeployment } from './deployment.ts';

const OUTAGE_MS = 30_000;

let mariadb: Mariadb;
let deployed: LoadedDeployment;

before(async () => {
  const shared = await sharedStack('kafka', 'redis', 'elasticsearch');
  mariadb = await startMariadb();
  deployed = await loadedDeployment(
    'store_outage',
    { ...shared, mariadb },
    { partitions: 2, seed: 13, perSecond: 300, rows: 1000 },
  );
});

after(async () => {
  killRunning();
  await deployed?.remove();
  if (mariadb) await remove([mariadb]);
});

test('while the store is away for half a minute rows and deletes reach Elasticsearch, the position waits, and the journal then lists what it lacks', async () => {
  const { config, elasticsearch, storeUrl, writer } = deployed;
  const reader = new ElasticsearchReader(elasticsearch.url);
  const sluice = await SluiceProcess.start(config);
  const { mix } = writer;
  await writer.write(3000);
  await expectConverged(deployed);
  const endsBefore = [...writer.ends];
  const changesBefore = writer.changes.length;
  const indexed = await indexedDocuments(deployed);

  writer.mix = { ...mix, insert: 60, delete: 0, rekey: 0 };
  await mariadb.stop();
  const startedMs = performance.now();
  writer.start();
  const versionOf = async (key: string): Promise<number> => {
    const { text } = await reader.request('GET', `/${writer.index}/_doc/${key}?_source=false`);
    return (JSON.parse(text) as { _version?: number })._version ?? 0;
  };
  /** Waits for the newest change that `counts` to reach the index. */
  const arrives = async (what: string, counts: (change: WrittenChange) => boolean): Promise<void> => {
    const change = await eventually(what, () => writer.changes.slice(changesBefore).findLast(counts));
    await eventually(what, async () => {
      const version = await versionOf(change.key);
      return change.op === 'delete' ? version === 0 : version > change.offset;
    });
  };
  for (const share of [0.2, 0.4, 0.6]) {
    await eventually('the outage goes on', () => performance.now() - startedMs > OUTAGE_MS * share);
    await arrives(`a row written after ${share} of the outage is indexed`, ({ op }) => op === 'upsert');
  }
  writer.mix = mix;
  await arrives('a row deleted in the outage leaves the index', ({ key, op }) => op === 'delete' && indexed.has(key));
  const passed = await committedOffsets(deployed);
  assert.deepEqual(passed, endsBefore, 'the position waits until it is known what the journal lacks');
  assert.ok(await sluice.isReady(), 'a store that went away later does not make it unready');
  await eventually('the outage is over', () => performance.now() - startedMs > OUTAGE_MS);
  const endsMeanwhile = [...writer.ends];
  await mariadb.start();
  await eventually('the position moves again', async () => {
    const now = await committedOffsets(deployed);
    return now.every((offset, partition) => offset >= (endsMeanwhile[partition] as number));
  });
  const endsAfter = [...writer.ends];
  await eventually('changes are journaled again', () =>
    writer.ends.every((end, i) => end > (endsAfter[i] as number) + 300),
  );
  await writer.stop();
  await expectConverged(deployed, { isJournalWhole: false });

  const gaps = await journalGaps(storeUrl, writer.topic);
  assert.deepEqual(
    gaps.map(({ from, partition }) => [partition, from]),
    endsBefore.map((end, partition) => [partition, end]),
    'one gap a partition, from the first record of the outage on',
  );
  for (const { partition, to } of gaps) {
    assert.ok(to >= (endsMeanwhile[partition] as number) - 1, `the gap of partition ${partition} spans the outage`);
    assert.ok(to < (endsAfter[partition] as number), `the gap of partition ${partition} ends with it`);
  }
  const records = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  assert.equal(await sluice.metric('sluice_journal_gap_records_total'), records);
  assert.equal(await sluice.stop(), 0, sluice.output);
});
