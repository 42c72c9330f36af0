import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Figures } from '../figures.ts';

/** A result file as far as a report needs it. Fields that a file lacks are empty. */
export interface Result {
  /** The file's name without folder and ending, in letters that a file name may have. */
  readonly name: string;
  readonly configuration: Readonly<Record<string, string>>;
  readonly figures: readonly Figures[];
  readonly goals: readonly GoalLine[];
  /** A table that the command made itself. */
  readonly table: string | null;
  readonly wrongRuns: number;
  readonly runs: number;
}

export interface GoalLine {
  readonly goal: string;
  readonly text: string;
  readonly measured: string;
  readonly target: string;
  /** Null: not measured. */
  readonly reached: boolean | null;
}

/** Reads a file that `--json` wrote. Throws with one line when it is none. */
export function readResult(file: string): Result {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} cannot be read as JSON (${error instanceof Error ? error.message : error})`);
  }
  return resultOf(basename(file).replace(/\.json$/, ''), content);
}

/** Takes of a result what is there. Throws when it says nothing at all. */
export function resultOf(name: string, content: unknown): Result {
  const fields = fieldsOf(content);
  const runs = [...listOf(fields.runs), ...listOf(fields.attempts)].map(fieldsOf);
  const result: Result = {
    name: name.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
    configuration: Object.fromEntries(
      Object.entries(fieldsOf(fields.configuration)).map(([key, value]) => [key, `${value}`]),
    ),
    figures: listOf(fields.figures).flatMap(figuresOf),
    goals: listOf(fields.goals).map(fieldsOf).map(goalOf),
    table: typeof fields.table === 'string' ? fields.table : null,
    wrongRuns: runs.filter(({ failure }) => typeof failure === 'string').length,
    runs: runs.length,
  };
  if (result.figures.length === 0 && result.goals.length === 0 && result.table === null)
    throw new Error(`${name} holds neither figures nor goals`);
  return result;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

const EMPTY: Omit<Figures, 'scenario' | 'load' | 'rowsPerSecond' | 'ownCpuUs'> = {
  runs: 0,
  wrongRuns: 0,
  serverCpuUs: {},
  indexWrites: null,
  peakResidentBytes: Number.NaN,
  ofLimit: null,
  ofJsonParse: null,
  otherCores: Number.NaN,
};

function figuresOf(value: unknown): readonly Figures[] {
  const { scenario, load, rowsPerSecond, ownCpuUs } = fieldsOf(value);
  const isWhole =
    typeof scenario === 'string' && typeof load === 'string' && isSpread(rowsPerSecond) && isSpread(ownCpuUs);
  return isWhole ? [{ ...EMPTY, ...(value as Figures) }] : [];
}

function isSpread(value: unknown): boolean {
  const { min, median, max } = fieldsOf(value);
  return [min, median, max].every(Number.isFinite);
}

/** A goal of the scenarios, `{ goal, text, measured, target, reached }`, or of the service, which is told in numbers. */
function goalOf({ goal, id, text, what, measured, target, is, bound, unit, reached }: Fields): GoalLine {
  const said = `${goal ?? id ?? ''}`;
  const isNumber = typeof measured === 'number' && typeof bound === 'number';
  return {
    goal: said,
    text: `${text ?? what ?? ''}`,
    measured: amount(measured, unit),
    target: target === undefined ? `${is ?? ''} ${amount(bound, unit)}`.trim() : amount(target, undefined),
    reached:
      typeof reached === 'boolean'
        ? reached
        : isNumber
          ? is === 'at least'
            ? measured >= bound
            : measured <= bound
          : null,
  };
}

function amount(value: unknown, unit: unknown): string {
  if (value === undefined || value === null) return '–';
  if (typeof value !== 'number') return `${value}`;
  if (unit === 'ms') return `${Math.round(value)} ms`;
  const text = Number.isInteger(value) ? value.toLocaleString('en-US') : value.toFixed(2);
  return unit === undefined ? text : `${text} ${unit}`;
}
