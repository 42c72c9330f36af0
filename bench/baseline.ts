import { readFileSync, writeFileSync } from 'node:fs';
import type { Run } from './figures.ts';
import { type Ratio, ratiosOf } from './ratios.ts';

/** What an earlier result said, without a single rate: those belong to the hour in which they were measured. */
export interface Baseline {
  readonly configuration: Readonly<Record<string, string>>;
  readonly ratios: Readonly<Record<string, number>>;
}

/** A ratio moves by so much between two runs of the same code, on a machine with other guests. */
export const NOISE = 0.2;

/** What must be the same for a comparison to mean code, and is named when it is not. */
const MUST_AGREE = ['node', 'machine', 'loads'];

export function baselineOf(runs: readonly Run[], configuration: Baseline['configuration']): Baseline {
  const ratios = ratiosOf(runs).map(({ name, value }) => [name, Number(value.toPrecision(4))]);
  return { configuration, ratios: Object.fromEntries(ratios) };
}

/** Lines that say what has moved by more than the noise, and what the comparison does not cover. */
export function comparedWith(
  baseline: Baseline,
  runs: readonly Run[],
  configuration: Baseline['configuration'],
): readonly string[] {
  const now = ratiosOf(runs);
  const both = now.filter(({ name }) => baseline.ratios[name] !== undefined);
  const moved = both.flatMap((ratio) => {
    const line = movement(ratio, baseline.ratios[ratio.name] as number);
    return line === null ? [] : [line];
  });
  const gone = Object.keys(baseline.ratios).filter((name) => !now.some((one) => one.name === name));
  const added = now.length - both.length;
  const other = MUST_AGREE.filter((name) => baseline.configuration[name] !== configuration[name]);
  return [
    `${moved.length} of ${both.length} ratios moved by more than ${Math.round(100 * NOISE)} % against the baseline.`,
    ...moved,
    ...(gone.length > 0 ? [`${gone.length} ratios of the baseline were not measured now.`] : []),
    ...(added > 0 ? [`${added} ratios are not in the baseline.`] : []),
    ...(other.length > 0 ? [`The baseline was made with other settings: ${other.join(', ')}.`] : []),
  ];
}

/** Null when it is noise. By the factor, so that twice and half are as far. */
function movement({ better, name, value }: Ratio, before: number): string | null {
  const factor = value / before;
  if (Math.max(factor, 1 / factor) <= 1 + NOISE) return null;
  const isBetter = factor > 1 === (better === 'more');
  return `${isBetter ? 'better' : 'WORSE '}  ${name}: ${before.toFixed(2)} → ${value.toFixed(2)}`;
}

/** Throws with one line when the file is no baseline. */
export function readBaseline(file: string): Baseline {
  const { configuration = {}, ratios } = parsed(file);
  const isRight =
    typeof ratios === 'object' && ratios !== null && Object.values(ratios).every((one) => Number(one) > 0);
  if (!isRight) throw new Error(`${file} is no baseline: it has no ratios`);
  return { configuration, ratios };
}

export function writeBaseline(file: string, baseline: Baseline): void {
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`);
}

function parsed(file: string): Partial<Baseline> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<Baseline>;
  } catch (error) {
    throw new Error(`${file} cannot be read as JSON (${error instanceof Error ? error.message : error})`);
  }
}
