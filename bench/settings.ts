import { parseArgs } from 'node:util';
import type { LoadShape } from './load.ts';
import { SCENARIOS, type ScenarioName } from './scenario.ts';

export interface BenchSettings {
  readonly loads: readonly LoadShape[];
  readonly scenarios: readonly ScenarioName[];
  /** Counted runs of each scenario and load. */
  readonly repeats: number;
  /** Runs before those, which are not counted: code and servers get warm. */
  readonly warmUps: number;
  /** File for the result as JSON, or null. */
  readonly json: string | null;
}

export const USAGE = `Usage: npm run bench -- [options]

  --rows N         row changes of a load (100000)
  --repeats N      counted runs of each scenario and load (3)
  --warm-ups N     runs before them that are not counted (1)
  --loads LIST     unique, zipf, unique-20, zipf-20 (unique,zipf); -20: 20 rows a record
  --only LIST      ${SCENARIOS.join(', ')} (all)
  --json FILE      write the result there as well
  --help`;

const LOADS: Readonly<Record<string, (rows: number) => LoadShape>> = {
  unique: (rows) => uniqueKeys('unique', rows, 1),
  zipf: (rows) => zipfKeys('zipf', rows, 1),
  'unique-20': (rows) => uniqueKeys('unique-20', rows, 20),
  'zipf-20': (rows) => zipfKeys('zipf-20', rows, 20),
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
      only: { type: 'string', default: SCENARIOS.join() },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const rows = whole('--rows', values.rows, 1000);
  return {
    loads: chosen('--loads', values.loads, Object.keys(LOADS)).map((name) =>
      (LOADS[name] as (typeof LOADS)[string])(rows),
    ),
    scenarios: chosen('--only', values.only, SCENARIOS),
    repeats: whole('--repeats', values.repeats, 1),
    warmUps: whole('--warm-ups', values['warm-ups'], 0),
    json: values.json ?? null,
  };
}

function uniqueKeys(name: string, rows: number, rowsPerMessage: number): LoadShape {
  return { name, rows, keys: rows, skew: 0, rowsPerMessage, partitions: 4, seed: 1 };
}

function zipfKeys(name: string, rows: number, rowsPerMessage: number): LoadShape {
  return { name, rows, keys: 20_000, skew: 1.1, rowsPerMessage, partitions: 4, seed: 1 };
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
