import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { barChart, ticksUpTo } from './bars.ts';
import { sectionOf, withResults } from './page.ts';
import { plotsOf } from './plots.ts';
import { resultOf } from './result.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-report-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const figure = {
  scenario: 'end-to-end',
  load: 'zipf',
  rowsPerSecond: { min: 1000, median: 1500, max: 1700 },
  ownCpuUs: { min: 20, median: 25.5, max: 30 },
};
const whole = {
  ...figure,
  runs: 3,
  wrongRuns: 1,
  serverCpuUs: { elasticsearch: 12.5, redis: 4, bento: 3 },
  indexWrites: 4000,
  peakResidentBytes: 200 << 20,
  ofLimit: 0.4,
  ofJsonParse: null,
  otherCores: 0.1,
};

test('a result that lacks fields is shown with what it has', () => {
  const text = sectionOf(resultOf('old', { figures: [figure] }));
  assert.match(text, /\| end-to-end +\| zipf +\| 1,000 \/ 1,500 \/ 1,700 +\| 20\.0 \/ 25\.5 \/ 30\.0/);
  assert.doesNotMatch(text, /NaN|undefined|null/);
});

test('a file that says nothing is refused', () => {
  for (const content of [null, 3, [], {}, { figures: [{ scenario: 'limit' }] }])
    assert.throws(() => resultOf('empty', content), /empty holds neither figures nor goals/);
});

test('goals of the scenarios and of the service become one kind of line', () => {
  const { goals } = resultOf('goals', {
    goals: [
      { goal: 'P1', text: 'unique keys', measured: 1.73, target: '≥ 1.5', reached: true },
      { goal: 'P2', text: 'lean', measured: null, target: '≥ 0.75', reached: null },
      { id: 'P6', what: 'p99', unit: 'ms', bound: 4000, is: 'at most', measured: 4200.4 },
      { id: 'P8', what: 'recovery', unit: '×', bound: 0.7, is: 'at least', measured: null },
    ],
  });
  assert.deepEqual(
    goals.map(({ goal, measured, reached, target }) => [goal, measured, target, reached]),
    [
      ['P1', '1.73', '≥ 1.5', true],
      ['P2', '–', '≥ 0.75', null],
      ['P6', '4200 ms', 'at most 4000 ms', false],
      ['P8', '–', 'at least 0.70 ×', null],
    ],
  );
});

test('wrong runs are told above the figures', () => {
  const runs = [{ failure: null }, { failure: 'a document is missing' }];
  assert.match(sectionOf(resultOf('some', { figures: [whole], runs })), /\*\*1 of 2 runs ended wrong/);
  assert.doesNotMatch(sectionOf(resultOf('none', { figures: [whole], runs: [runs[0]] })), /wrong/);
});

test('goals that a result says nothing about are not on the page', () => {
  const goals = [
    { goal: 'P1', text: 'unique keys', measured: 1.2, target: '≥ 1.5', reached: false },
    { goal: 'P2', text: 'lean', measured: null, target: '≥ 0.75', reached: null },
  ];
  const section = sectionOf(resultOf('a', { figures: [whole], goals }));
  assert.match(section, /unique keys/);
  assert.doesNotMatch(section, /lean/);
});

test('only what is between the markers is replaced, as often as one likes', () => {
  const page = 'before\n<!-- results: written by npm run bench:report -->\nold\n<!-- end of results -->\nafter\n';
  const result = resultOf('a', { figures: [whole], configuration: { node: 'v1 | v2' } });
  const once = withResults(page, [result]);
  assert.ok(once.startsWith('before\n') && once.endsWith('\nafter\n') && !once.includes('\nold\n'));
  assert.match(once, /\| node +\| v1 \\\| v2 +\|/);
  assert.equal(withResults(once, [result]), once);
  assert.throws(() => withResults('no markers', [result]), /has no lines/);
});

test('every process of a row has a part in the bar of its CPU, and the whisker spans the rates', () => {
  const [cpu, rows] = plotsOf(resultOf('a', { figures: [whole] }));
  assert.deepEqual([cpu?.file, rows?.file], ['a-cpu.svg', 'a-rows.svg']);
  const parts = [...(cpu?.svg ?? '').matchAll(/<title>([^<]+)<\/title>/g)].map(([, name]) => name);
  assert.deepEqual(parts, ['own process', 'redis', 'elasticsearch', 'bento']);
  const widths = [...(cpu?.svg ?? '').matchAll(/width="([\d.]+)" height="16"/g)].map(([, width]) => Number(width));
  assert.equal(((widths[0] as number) / (widths[2] as number)).toFixed(1), (25.5 / 12.5).toFixed(1));
  assert.match(rows?.svg ?? '', /class="whisker"/);
  assert.match(rows?.svg ?? '', /prefers-color-scheme: dark/);
});

test('text in a plot cannot become markup', () => {
  const bar = { label: '<b>&', parts: [{ series: '"', value: 1 }], whisker: null, text: '' };
  const svg = barChart({ title: '<script>', unit: 'x', series: ['"'], groups: [{ name: '>', bars: [bar] }] });
  assert.doesNotMatch(svg, /<script>|<b>|"""/);
  assert.ok(svg.includes('&lt;b&gt;&amp;'));
});

test('an axis has at most six round ticks, from 0 to near its greatest value', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-3, max: 1e9, noNaN: true }), (most) => {
      const ticks = ticksUpTo(most);
      assert.ok(ticks.length >= 2 && ticks.length <= 6 && ticks[0] === 0);
      assert.ok((ticks.at(-1) as number) <= most * 1.0001 && (ticks.at(-1) as number) > most / 2);
    }),
  );
});

test('the command writes page and plots, removes old plots, and writes nothing when a file is wrong', () => {
  const page = join(folder, 'performance.md');
  const command = join(import.meta.dirname, '../report.ts');
  const marked = '<!-- results: written by npm run bench:report -->\n<!-- end of results -->\n';
  writeFileSync(page, marked);
  const right = join(folder, 'Run 1.json');
  const wrong = join(folder, 'wrong.json');
  writeFileSync(right, JSON.stringify({ figures: [whole] }));
  writeFileSync(wrong, 'no JSON');
  const failed = spawnSync(process.execPath, [command, '--page', page, right, wrong], { encoding: 'utf8' });
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /^\S*wrong\.json cannot be read as JSON/);
  assert.equal(readFileSync(page, 'utf8'), marked);
  for (const name of ['Run 1.json', 'second.json']) {
    writeFileSync(join(folder, name), JSON.stringify({ figures: [whole] }));
    execFileSync(process.execPath, [command, '--page', page, join(folder, name)]);
  }
  assert.deepEqual(readdirSync(join(folder, 'performance')).sort(), ['second-cpu.svg', 'second-rows.svg']);
  assert.match(readFileSync(page, 'utf8'), /!\[[^\]]+\]\(performance\/second-rows\.svg\)/);
});
