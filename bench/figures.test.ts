import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { figuresOf, type Run, spreadOf } from './figures.ts';
import type { ScenarioName } from './scenario.ts';
import { tableOf } from './table.ts';

function run(scenario: ScenarioName, round: number, ms: number | null): Run {
  const cost = { ownCpuUs: 5000, peakResidentBytes: 200 << 20, serverCpuUs: { redis: 2000 }, otherCores: 0.1 };
  const sample = ms === null ? null : { rows: 1000, bytes: 8e5, ms, ...cost, indexWrites: 40, notes: {} };
  return { scenario, load: 'zipf', round, sample, failure: ms === null ? 'a document is missing' : null };
}

test('the median lies between the extremes and is the middle of odd numbers of values', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
      const { min, median, max } = spreadOf(values);
      assert.deepEqual([min, max], [Math.min(...values), Math.max(...values)]);
      assert.ok(min <= median && median <= max);
      const below = values.filter((value) => value < median).length;
      assert.ok(below <= values.length / 2 && values.length - below >= values.length / 2);
    }),
  );
});

test('a ratio compares runs of one round only', () => {
  const runs = [run('limit', 1, 100), run('intake', 1, 200), run('limit', 2, 1000), run('intake', 2, 2000)];
  assert.equal(figuresOf(runs, 'intake', 'zipf')?.ofLimit, 0.5);
  assert.equal(figuresOf([run('limit', 1, 100), run('intake', 2, 200)], 'intake', 'zipf')?.ofLimit, null);
});

test('the limit is that of its best setting in the round', () => {
  const runs = [run('limit', 1, 100), run('limit-4x1000', 1, 80), run('limit-2x2000', 1, null), run('intake', 1, 160)];
  assert.equal(figuresOf(runs, 'intake', 'zipf')?.ofLimit, 0.5);
});

test('a wrong run is counted and has no rate', () => {
  const figures = figuresOf([run('intake', 1, 500), run('intake', 2, null)], 'intake', 'zipf');
  assert.deepEqual([figures?.runs, figures?.wrongRuns, figures?.rowsPerSecond.max], [1, 1, 2000]);
  assert.equal(figuresOf([run('intake', 1, null)], 'intake', 'zipf'), null);
});

test('cost is told per row change', () => {
  const figures = figuresOf([run('buffered', 1, 500)], 'buffered', 'zipf');
  assert.ok(figures);
  assert.deepEqual([figures.ownCpuUs.median, figures.serverCpuUs.redis, figures.indexWrites], [5, 2, 40]);
  assert.match(
    tableOf([figures]),
    /\| buffered +\| zipf +\| 2,000 \/ 2,000 \/ 2,000 +\| 5\.0 \/ 5\.0 \/ 5\.0 +\| redis 2\.0/,
  );
});
