import { parseArgs } from 'node:util';
import type { LoadShape } from './load.ts';
import { PEERS, SCENARIOS, type ScenarioName } from './scenario.ts';

export interface BenchSettings {
  readonly loads: readonly LoadShape[];
  readonly scenarios: readonly ScenarioName[];
  /** Counted runs of each scenario and load. */
  readonly repeats: number;
  /** Runs before those, which are not counted: code and servers get warm. */
  readonly warmUps: number;
  /** File for the result as JSON, or null. */
  readonly json: string | null;
  /** File of the ratios to compare with, or null. */
  readonly baseline: string | null;
  /** File for the ratios of this result, or null. */
  readonly writeBaseline: string | null;
}

export const USAGE = `Usage: npm run bench -- [options]

  --rows N         row changes of a load (100000)
  --repeats N      counted runs of each scenario and load (3)
  --warm-ups N     runs before them that are not counted (1)
  --loads LIST     unique, zipf: one row a record (unique,zipf); and of both, to see growth,
                   -20: 20 rows a record, -10x-keys: ten times the keys (of unique: and the rows),
                   -10-tables: keys dealt out to ten tables, -wide: rows of ten times the columns, a tenth of them
  --only LIST      ${SCENARIOS.join(', ')} (all but ${PEERS.join(' and ')})
                   ${PEERS.join(', ')}: peers, for loads of one table and nine columns; node bench/peers/install.mjs installs them
  --json FILE      write the result there as well
  --baseline FILE  say which ratios moved against that file by more than noise: bench/baseline.json
  --write-baseline FILE  write the ratios of this result there
  --help`;

const ZIPF_KEYS = 20_000;

const LOADS: Readonly<Record<string, (rows: number) => LoadShape>> = {
  unique: (rows) => uniqueKeys('unique', rows),
  zipf: (rows) => zipfKeys('zipf', rows),
  'unique-20': (rows) => ({ ...uniqueKeys('unique-20', rows), rowsPerMessage: 20 }),
  'zipf-20': (rows) => ({ ...zipfKeys('zipf-20', rows), rowsPerMessage: 20 }),
  'unique-10x-keys': (rows) => uniqueKeys('unique-10x-keys', 10 * rows),
  'zipf-10x-keys': (rows) => zipfKeys('zipf-10x-keys', rows, 10 * ZIPF_KEYS),
  'unique-10-tables': (rows) => ({ ...uniqueKeys('unique-10-tables', rows), tables: 10 }),
  'zipf-10-tables': (rows) => ({ ...zipfKeys('zipf-10-tables', rows), tables: 10 }),
  // A tenth of the rows is as many bytes; a tenth of the keys folds as much of them.
  'unique-wide': (rows) => ({ ...uniqueKeys('unique-wide', Math.ceil(rows / 10)), width: 10 }),
  'zipf-wide': (rows) => ({ ...zipfKeys('zipf-wide', Math.ceil(rows / 10), ZIPF_KEYS / 10), width: 10 }),
};

/** Reads the command line; null when help was asked for. Throws with one line that says what is wrong. */
export function readSettings(args: readonly string[]): BenchSettings | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '100000' },
      repeats: { type: 'string', default: '3' },
      'warm-ups': { type: 'string', default: '1' },
      loads: { type: 'string', default: 'unique,zipf' },
      only: { type: 'string', default: SCENARIOS.filter((name) => !PEERS.includes(name)).join() },
      json: { type: 'string' },
      baseline: { type: 'string' },
      'write-baseline': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const rows = whole('--rows', values.rows, 1000);
  return {
    loads: chosen('--loads', values.loads, Object.keys(LOADS)).map((name) => loadOf(name, rows)),
    scenarios: chosen('--only', values.only, SCENARIOS),
    repeats: whole('--repeats', values.repeats, 1),
    warmUps: whole('--warm-ups', values['warm-ups'], 0),
    json: values.json ?? null,
    baseline: values.baseline ?? null,
    writeBaseline: values['write-baseline'] ?? null,
  };
}

/** The shape of a load by its name. */
export function loadOf(name: string, rows: number): LoadShape {
  return (LOADS[name] as (typeof LOADS)[string])(rows);
}

const ONE_ROW_EACH = { rowsPerMessage: 1, partitions: 4, seed: 1 };

function uniqueKeys(name: string, rows: number): LoadShape {
  return { name, rows, keys: rows, skew: 0, ...ONE_ROW_EACH };
}

function zipfKeys(name: string, rows: number, keys = ZIPF_KEYS): LoadShape {
  return { name, rows, keys, skew: 1.1, ...ONE_ROW_EACH };
}

/** The names of a list, in the order of `known`. */
function chosen<Name extends string>(option: string, list: string, known: readonly Name[]): readonly Name[] {
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name as Name));
  if (unknown !== undefined) throw new Error(`${option}: ${unknown} is none of ${known.join(', ')}`);
  return known.filter((name) => names.includes(name));
}

/** A whole number of the command line. Throws with one line when it is none, or below `least`. */
export function whole(option: string, text: string, least: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least) throw new Error(`${option} must be a whole number from ${least} up`);
  return number;
}
