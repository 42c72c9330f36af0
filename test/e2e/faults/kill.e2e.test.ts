import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { committedOffsets, expectConverged, passedTooEarly } from '../../support/expect-converged.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { sharedStack } from '../stack.ts';
import { type LoadedDeployment, loadedDeployment } from './deployment.ts';

const KILLS = 5;

let deployed: LoadedDeployment;

before(async () => {
  const servers = await sharedStack('kafka', 'redis', 'mariadb', 'elasticsearch');
  deployed = await loadedDeployment('kill', servers, { partitions: 3, seed: 11, perSecond: 800 });
});

after(async () => {
  killRunning();
  await deployed?.remove();
});

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

test('a process killed again and again under load passes nothing too early, and the last one ends with what was written', async () => {
  const { config, writer } = deployed;
  // The group gives the partitions of the dead to the next one when its session is over.
  const quick = { ...config, source: { ...config.source, sessionTimeoutMs: 6000 } };
  writer.start();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const sluice = await SluiceProcess.start(quick);
    // In the middle of a window, of requests, of a commit: wherever this record happens to be.
    const far = sum(await committedOffsets(deployed)) + 500 + Math.floor(Math.random() * 1500);
    await eventually(`${far} records are passed`, async () => sum(await committedOffsets(deployed)) >= far, {
      everyMs: 20,
    });
    await sluice.kill();
    assert.ok(sum(await committedOffsets(deployed)) < sum(writer.ends), 'there was more to do');
    assert.deepEqual(await passedTooEarly(deployed), [], `after kill ${kill} of ${KILLS}`);
  }
  const last = await SluiceProcess.start(quick);
  await writer.stop();
  await expectConverged(deployed);
  assert.equal(await last.stop(), 0, last.output);
});
