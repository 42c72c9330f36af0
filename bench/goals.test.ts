import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Run } from './figures.ts';
import { type GoalResult, goalsOf, goalsTable } from './goals.ts';

const ROWS = 1000;

interface MadeUp {
  readonly load?: string;
  readonly round?: number;
  readonly rate?: number;
  readonly cpu?: number;
  readonly bytes?: number;
  readonly mib?: number;
  readonly indexWrites?: number;
  readonly notes?: Readonly<Record<string, number>>;
  readonly isWrong?: boolean;
}

/** A run at `rate` rows a second, of `cpu` µs a row. */
function run(scenario: string, made: MadeUp = {}): Run {
  const { bytes = 800, cpu = 1, indexWrites = null, isWrong = false, load = 'unique', mib = 1, notes = {} } = made;
  const { rate = 1000, round = 1 } = made;
  const cost = { ms: (ROWS / rate) * 1000, ownCpuUs: cpu * ROWS, peakResidentBytes: mib * 2 ** 20, otherCores: 0 };
  const sample = { rows: ROWS, bytes: bytes * ROWS, ...cost, serverCpuUs: {}, indexWrites, notes };
  const place = { scenario: scenario as Run['scenario'], load, round };
  return { ...place, sample: isWrong ? null : sample, failure: isWrong ? 'a document is missing' : null };
}

function found(runs: readonly Run[], goal: string, words: string): GoalResult {
  const some = goalsOf(runs).filter((one) => one.goal === goal && one.text.includes(words));
  assert.equal(some.length, 1, `${goal} ${words}`);
  return some[0] as GoalResult;
}

function verdict({ measured, reached }: GoalResult): readonly [number | null, boolean | null] {
  return [measured === null ? null : Number(measured.toFixed(6)), reached];
}

test('without runs nothing is measured, and nothing reached', () => {
  const goals = goalsOf([]);
  for (const one of goals) assert.deepEqual([one.measured, one.reached, one.rounds], [null, null, 0], one.text);
  assert.deepEqual([...new Set(goals.map(({ goal }) => goal))].join(), 'P1,P2,P3,P4,P5a,P5b,P5c,P5d,P7,P9');
});

test('speed is compared with the faster of the peers, round by round', () => {
  const rounds = [1, 2, 3].flatMap((round) => [
    run('end-to-end', { round, rate: 3000 * round }),
    run('bento', { round, rate: 1500 * round }),
    run('flink', { round, rate: 1000 * round }),
  ]);
  const goal = found(rounds, 'P1', 'best correct peer');
  assert.deepEqual([...verdict(goal), goal.rounds], [2, true, 3]);
  assert.match(goal.text, /\(bento\)/);
});

test('a peer that always ended wrong is no peer, and one that ended right once is', () => {
  const own = run('end-to-end', { rate: 2000 });
  assert.deepEqual(verdict(found([own, run('bento', { isWrong: true })], 'P1', '')), [null, null]);
  const runs = [own, run('bento', { isWrong: true }), run('flink', { rate: 1000 })];
  assert.deepEqual(verdict(found(runs, 'P1', '(flink)')), [2, true]);
  const later = [run('end-to-end', { rate: 2000, round: 2 }), run('bento', { rate: 1900, round: 2 })];
  assert.deepEqual(verdict(found([...runs, ...later], 'P1', '(bento)')), [1.052632, false]);
});

test('a goal is not reached when a run of ours ended wrong, however fast the others were', () => {
  const runs = [
    run('end-to-end', { rate: 9000 }),
    run('flink'),
    run('end-to-end', { round: 2, isWrong: true }),
    run('flink', { round: 2 }),
  ];
  const goal = found(runs, 'P1', '');
  assert.deepEqual([...verdict(goal), goal.rounds], [9, false, 1]);
});

test('the lean service is compared with the best setting of the bare client in its round', () => {
  const runs = [
    run('end-to-end-lean', { rate: 800 }),
    run('limit', { rate: 500 }),
    run('limit-2x2000', { rate: 1000 }),
    run('end-to-end-lean', { rate: 300, round: 2 }),
    run('limit', { rate: 500, round: 2 }),
    run('limit-2x2000', { rate: 400, round: 2 }),
  ];
  assert.deepEqual(verdict(found(runs, 'P2', 'bare client')), [0.7, false]);
});

test('index writes are compared with the keys of the windows, retries apart', () => {
  const of = (indexWrites: number): GoalResult =>
    found(
      [run('end-to-end', { load: 'zipf', indexWrites, notes: { 'folded keys': 100, retried: 10 } })],
      'P3',
      'index',
    );
  assert.deepEqual(verdict(of(110)), [1, true]);
  assert.deepEqual(verdict(of(111)), [1.01, false]);
});

test('what the stores add is compared with a bare loop', () => {
  const runs = [run('buffered', { cpu: 22 }), run('intake', { cpu: 10 }), run('stores-limit', { cpu: 10 })];
  assert.deepEqual(verdict(found(runs, 'P5c', 'unique')), [1.2, true]);
  assert.deepEqual(verdict(found(runs.slice(0, 2), 'P5c', 'unique')), [null, null]);
});

test('intake is compared with JSON.parse, the broker’s with a bare consumer, and 20 rows a message with one', () => {
  const load = 'zipf';
  const runs = [
    run('intake', { load, cpu: 8 }),
    run('json-parse', { load, cpu: 10 }),
    run('kafka-fold', { load, cpu: 13 }),
    run('kafka-limit', { load, cpu: 10 }),
    run('intake', { load: 'zipf-20', cpu: 3 }),
  ];
  assert.deepEqual(verdict(found(runs, 'P5a', 'zipf')), [0.8, false]);
  assert.deepEqual(verdict(found(runs, 'P5b', 'zipf')), [1.3, true]);
  assert.deepEqual(verdict(found(runs, 'P5d', 'intake, zipf')), [0.375, true]);
});

test('memory is that of the load that needs most', () => {
  const runs = [
    run('end-to-end', { mib: 200 }),
    run('end-to-end-lean', { load: 'zipf', mib: 310 }),
    run('buffered', { mib: 900 }),
  ];
  assert.deepEqual(verdict(found(runs, 'P7', '(end-to-end-lean, zipf)')), [310, false]);
});

test('growth in width counts by the byte, in keys and tables by the change', () => {
  const runs = [
    run('end-to-end', { cpu: 40, bytes: 800 }),
    run('end-to-end', { load: 'unique-wide', cpu: 440, bytes: 8000 }),
    run('end-to-end', { load: 'unique-10-tables', cpu: 47 }),
  ];
  assert.deepEqual(verdict(found(runs, 'P9', 'unique: own CPU a byte')), [1.1, true]);
  assert.deepEqual(verdict(found(runs, 'P9', 'unique: own CPU a change, ten tables')), [1.175, false]);
});

test('the table says what is reached, what is not and what nobody measured', () => {
  const text = goalsTable(goalsOf([run('intake', { cpu: 8 }), run('json-parse', { cpu: 10 })]));
  assert.match(text, /\| P5a .*\| ≤ 0\.75 +\| 0\.80 +\| NO +\| 1 +\|/);
  assert.match(text, /\| P1 .*\| ≥ 1\.5 +\| +\| not measured +\| 0 +\|/);
});
