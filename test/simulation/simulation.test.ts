import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBatch } from './batch.ts';
import { FAULTS } from './profile.ts';
import { simulate } from './run.ts';
import { FOUND } from './seeds.ts';
import { Sometimes } from './sometimes.ts';

const RUNS = 20_000;
const SLICE = 4000;

/** What a batch must have met, beside every fault: else it proves less than it says. */
const RARE_PATHS = [
  'call lost',
  'call refused',
  'call slow',
  'conflict',
  'dead-lettered',
  'delete repeated',
  'deletes checked',
  'epoch begun after added partitions',
  'epoch begun after re-creation',
  'index held',
  'items retried',
  'journal gap',
  'keys parked',
  'keys recovered',
  'killed at a call',
  'letter overtaken in flight',
  'log refused',
  'member expired',
  'pairing held',
  'poison mended',
  'redis loses all',
  'redis loses down',
  'redis loses key',
  'redis loses last',
  'reply lost',
  'request late',
  'request of a dead instance arrives',
  'routing mended',
  'source paused',
  'superseded in flight',
  'window closed by cap',
];

test('one seed gives one run, to the last call', async () => {
  for (const seed of [7, 13, 133, 4242]) {
    const [first, second] = [await simulate(seed), await simulate(seed)];
    assert.deepEqual([second.trace, second.steps, second.restMs], [first.trace, first.steps, first.restMs], `${seed}`);
  }
  assert.notEqual((await simulate(1)).trace, (await simulate(2)).trace);
});

test('runs that once found a fault find none any more', async () => {
  for (const { fault, seed } of FOUND) {
    const { violations } = await simulate(seed);
    assert.deepEqual(violations, [], `seed ${seed}: ${fault}`);
  }
});

test('whatever fails, and however it fails, the index ends as the log says', async (t) => {
  const met = new Sometimes();
  for (let seed = 1; seed <= RUNS; seed += SLICE) {
    await t.test(`seeds ${seed} to ${seed + SLICE - 1}`, async () => {
      const { failures, sometimes } = await runBatch({ seed, isOver: (runs) => runs >= SLICE });
      met.add(sometimes);
      const told = failures.map(({ seed: failed, violations }) => `seed ${failed}: ${violations[0]}`);
      assert.deepEqual(told, [], 'replay one by: npm run simulate -- --runs 1 --seed N');
    });
  }
  for (const name of [...FAULTS.map((fault) => `fault ${fault}`), ...RARE_PATHS])
    assert.ok(met.of(name) > 0, `no run met: ${name}`);
});
