import { LIMITS, type ScenarioName } from './scenario.ts';
import type { Sample } from './scenario-process.ts';

/** One counted run, or why it has no rate. */
export interface Run {
  readonly scenario: ScenarioName;
  readonly load: string;
  /** Runs of one round ran next to each other: only those are compared. */
  readonly round: number;
  readonly sample: Sample | null;
  readonly failure: string | null;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** What the right runs of one scenario and load say. */
export interface Figures {
  readonly scenario: ScenarioName;
  readonly load: string;
  readonly runs: number;
  readonly wrongRuns: number;
  readonly rowsPerSecond: Spread;
  readonly ownCpuUs: Spread;
  /** Microseconds of CPU a row change, by server: medians. */
  readonly serverCpuUs: Readonly<Record<string, number>>;
  readonly indexWrites: number | null;
  /** Median of the highest resident sets of the runs. */
  readonly peakResidentBytes: number;
  /** Rows a second over those of the limit at its best setting in the same round, median; null without a limit. */
  readonly ofLimit: number | null;
  /** Own CPU a row change over that of JSON.parse in the same round, median; null without it. */
  readonly ofJsonParse: number | null;
  readonly otherCores: number;
}

/** Null when no run was right. */
export function figuresOf(runs: readonly Run[], scenario: ScenarioName, load: string): Figures | null {
  const own = runs.filter((run) => run.scenario === scenario && run.load === load);
  const right = own.flatMap(({ round, sample }) => (sample === null ? [] : [{ round, sample }]));
  if (right.length === 0) return null;
  const samples = right.map(({ sample }) => sample);
  const ratios = (others: readonly ScenarioName[], figureOf: (sample: Sample) => number): number | null => {
    const found = right.flatMap(({ round, sample }) => {
      const beside = runs.filter((run) => others.includes(run.scenario) && run.load === load && run.round === round);
      const figures = beside.flatMap((run) => (run.sample === null ? [] : [figureOf(run.sample)]));
      return figures.length === 0 ? [] : [figureOf(sample) / Math.max(...figures)];
    });
    return found.length === 0 ? null : spreadOf(found).median;
  };
  const servers = Object.keys(samples[0]?.serverCpuUs ?? {});
  const writes = samples.flatMap(({ indexWrites }) => (indexWrites === null ? [] : [indexWrites]));
  return {
    scenario,
    load,
    runs: right.length,
    wrongRuns: own.length - right.length,
    rowsPerSecond: spreadOf(samples.map(rateOf)),
    ownCpuUs: spreadOf(samples.map(ownCpuOf)),
    serverCpuUs: Object.fromEntries(
      servers.map((name) => [name, spreadOf(samples.map((one) => (one.serverCpuUs[name] ?? 0) / one.rows)).median]),
    ),
    indexWrites: writes.length === 0 ? null : spreadOf(writes).median,
    peakResidentBytes: spreadOf(samples.map((one) => one.peakResidentBytes)).median,
    ofLimit: ratios(LIMITS, rateOf),
    ofJsonParse: ratios(['json-parse'], ownCpuOf),
    otherCores: spreadOf(samples.map(({ otherCores }) => otherCores)).max,
  };
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (place: number): number => sorted[place] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return { min: at(0), median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, max: at(sorted.length - 1) };
}

function rateOf({ rows, ms }: Sample): number {
  return rows / (ms / 1000);
}

function ownCpuOf({ rows, ownCpuUs }: Sample): number {
  return ownCpuUs / rows;
}
