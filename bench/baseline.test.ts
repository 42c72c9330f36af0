import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { baselineOf, comparedWith, readBaseline, writeBaseline } from './baseline.ts';
import type { Run } from './figures.ts';
import { ratiosOf } from './ratios.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Told {
  readonly scenario: string;
  readonly load?: string;
  readonly round?: number;
  /** Rows a second; null for a run that ended wrong. */
  readonly rate?: number | null;
  /** Microseconds a row. */
  readonly cpu?: number;
  readonly writes?: number | null;
}

function run({ scenario, load = 'unique', round = 1, rate = 1000, cpu = 10, writes = null }: Told): Run {
  const rest = { serverCpuUs: {}, otherCores: 0, peakResidentBytes: 0, indexWrites: writes, notes: {} };
  const sample = rate === null ? null : { rows: 1000, bytes: 1e6, ms: 1e6 / rate, ownCpuUs: 1000 * cpu, ...rest };
  return { scenario: scenario as Run['scenario'], load, round, sample, failure: rate === null ? 'wrong' : null };
}

const ratioIn = (runs: readonly Run[], name: string): number | undefined =>
  ratiosOf(runs).find((ratio) => ratio.name === name)?.value;

test('a ratio is the median over rounds of what ran in the same round', () => {
  const runs = [0.5, 0.6, 0.4].flatMap((share, at) => {
    const drift = 10 ** at;
    return [
      run({ scenario: 'limit', round: at + 1, rate: 1000 * drift }),
      run({ scenario: 'end-to-end', round: at + 1, rate: 1000 * drift * share }),
    ];
  });
  assert.equal(ratioIn(runs, 'end-to-end ÷ limit, rows/s, unique')?.toFixed(3), '0.500');
});

test('the limit of a round is that of its best setting', () => {
  const runs = [run({ scenario: 'limit', rate: 1000 }), run({ scenario: 'limit-4x1000', rate: 2000 })];
  const ratio = ratioIn([...runs, run({ scenario: 'end-to-end', rate: 500 })], 'end-to-end ÷ limit, rows/s, unique');
  assert.equal(ratio?.toFixed(3), '0.250');
});

test('a wrong run takes part in no ratio', () => {
  const runs = [run({ scenario: 'json-parse', cpu: 5 }), run({ scenario: 'intake', rate: null })];
  assert.deepEqual(ratiosOf(runs), []);
});

test('variants of a load are compared with it by CPU a row', () => {
  const runs = [run({ scenario: 'intake', cpu: 10 }), run({ scenario: 'intake', load: 'unique-20', cpu: 4 })];
  assert.equal(ratioIn(runs, 'intake, own CPU a row, unique-20 ÷ unique')?.toFixed(3), '0.400');
});

test('a machine that is twice as slow has moved nothing', () => {
  const at = (speed: number): Run[] => [
    run({ scenario: 'json-parse', cpu: 8 / speed }),
    run({ scenario: 'intake', cpu: 4 / speed }),
    run({ scenario: 'limit', rate: 40_000 * speed }),
    run({ scenario: 'end-to-end', rate: 20_000 * speed, cpu: 30 / speed, writes: 1000 }),
  ];
  const [line, ...others] = comparedWith(baselineOf(at(1), {}), at(0.5), {});
  assert.equal(line, '0 of 4 ratios moved by more than 20 % against the baseline.');
  assert.deepEqual(others, []);
});

test('what moved by more than the noise is named, with the direction that it moved in', () => {
  const runs = (intake: number, rate: number): Run[] => [
    run({ scenario: 'json-parse', cpu: 10 }),
    run({ scenario: 'intake', cpu: intake }),
    run({ scenario: 'limit', rate: 1000 }),
    run({ scenario: 'end-to-end-lean', rate }),
  ];
  const before = baselineOf(runs(5, 500), {});
  assert.deepEqual(comparedWith(before, runs(5.9, 420), {}).slice(1), []);
  assert.deepEqual(comparedWith(before, runs(10, 1000), {}).slice(1), [
    'better  end-to-end-lean ÷ limit, rows/s, unique: 0.50 → 1.00',
    'WORSE   intake ÷ json-parse, own CPU, unique: 0.50 → 1.00',
  ]);
});

test('what only one side has measured, and settings that differ, are told', () => {
  const parse = run({ scenario: 'json-parse' });
  const before = baselineOf([parse, run({ scenario: 'intake' })], { node: 'v1', machine: 'm', loads: 'l' });
  const now = [run({ scenario: 'end-to-end', writes: 10 })];
  assert.deepEqual(comparedWith(before, now, { node: 'v2', machine: 'm', loads: 'l' }).slice(1), [
    '1 ratios of the baseline were not measured now.',
    '1 ratios are not in the baseline.',
    'The baseline was made with other settings: node.',
  ]);
});

test('a baseline is read as it was written, and anything else is refused with its name', () => {
  const file = join(folder, 'baseline.json');
  const baseline = baselineOf([run({ scenario: 'json-parse' }), run({ scenario: 'intake', cpu: 5 })], { node: 'v1' });
  assert.deepEqual(Object.values(baseline.ratios), [0.5]);
  writeBaseline(file, baseline);
  assert.deepEqual(readBaseline(file), baseline);
  writeFileSync(file, '{"figures": []}');
  assert.throws(() => readBaseline(file), /baseline\.json is no baseline/);
  writeFileSync(file, 'no JSON');
  assert.throws(() => readBaseline(file), /baseline\.json cannot be read/);
});
