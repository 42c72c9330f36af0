import type { Figures, Spread } from './figures.ts';
import { LIMITS } from './scenario.ts';

const HEADS = [
  'scenario',
  'load',
  'rows/s min / median / max',
  'own CPU µs/row',
  'server CPU µs/row',
  'index writes',
  'peak MiB',
  '× limit',
  '× JSON.parse',
  'others',
];

/** The figures as a Markdown table that is readable as it stands. */
export function tableOf(figures: readonly Figures[]): string {
  const rows = figures.map((one) => [
    one.scenario,
    one.load,
    spreadText(one.rowsPerSecond, 0),
    spreadText(one.ownCpuUs, 1),
    serversText(one.serverCpuUs),
    one.indexWrites === null ? '' : whole(one.indexWrites),
    whole(one.peakResidentBytes / 2 ** 20),
    one.ofLimit === null || LIMITS.includes(one.scenario) ? '' : one.ofLimit.toFixed(2),
    // Server work is no part of this comparison, so it is only made where the process works alone.
    one.ofJsonParse === null || one.scenario !== 'intake' ? '' : one.ofJsonParse.toFixed(2),
    one.otherCores.toFixed(2),
  ]);
  return markdownTable(HEADS, rows);
}

/** A Markdown table whose columns are as wide as they need. */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function spreadText({ min, median, max }: Spread, digits: number): string {
  return [min, median, max].map((value) => (digits === 0 ? whole(value) : value.toFixed(digits))).join(' / ');
}

function serversText(us: Readonly<Record<string, number>>): string {
  return Object.entries(us)
    .filter(([, value]) => value >= 0.05)
    .map(([name, value]) => `${name} ${value.toFixed(1)}`)
    .join(', ');
}

/** A whole number with a comma at the thousands. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
