import { type Run, spreadOf } from './figures.ts';
import { LIMITS } from './scenario.ts';
import type { Sample } from './scenario-process.ts';

/** A figure over another of the same round. Rates drift with the machine; these stay. */
export interface Ratio {
  /** `end-to-end ÷ limit, rows/s, unique`: equal names mean the same thing in every result. */
  readonly name: string;
  readonly value: number;
  /** Which way is better. */
  readonly better: 'more' | 'less';
}

type Figure = 'rows/s' | 'own CPU' | 'index writes';

/** What is compared on one load. `limit` is the bare bulk client at the setting that was best in the round. */
const PAIRS: readonly (readonly [string, string, Figure])[] = [
  ['end-to-end', 'limit', 'rows/s'],
  ['end-to-end-lean', 'limit', 'rows/s'],
  ['end-to-end', 'bento', 'rows/s'],
  ['end-to-end', 'flink', 'rows/s'],
  ['end-to-end-lean', 'bento', 'rows/s'],
  ['end-to-end-lean', 'flink', 'rows/s'],
  ['intake', 'json-parse', 'own CPU'],
  ['kafka-fold', 'kafka-limit', 'own CPU'],
  ['buffered', 'stores-limit', 'own CPU'],
  ['end-to-end', 'intake', 'own CPU'],
  ['end-to-end', 'end-to-end-lean', 'own CPU'],
];

/** Scenarios whose cost a row is compared between a load and its variants: `unique` and `unique-20`. */
const GROWING = ['intake', 'kafka-fold', 'end-to-end-lean', 'end-to-end'];

/** Every ratio that right runs of one round allow, as the median over the rounds. */
export function ratiosOf(runs: readonly Run[]): readonly Ratio[] {
  const rounds = new Rounds(runs);
  const loads = [...new Set(runs.map(({ load }) => load))];
  const pairs = loads.flatMap((load) =>
    PAIRS.flatMap(([one, other, figure]) =>
      rounds.ratio(`${one} ÷ ${other}, ${figure}, ${load}`, figure, { scenario: one, load }, { scenario: other, load }),
    ),
  );
  const growth = loads.flatMap((load) => {
    const [base = ''] = load.split('-', 1);
    if (base === load || !loads.includes(base)) return [];
    return GROWING.flatMap((scenario) =>
      rounds.ratio(
        `${scenario}, own CPU a row, ${load} ÷ ${base}`,
        'own CPU',
        { scenario, load },
        { scenario, load: base },
      ),
    );
  });
  const writes = loads.flatMap((load) => rounds.writesOfRows({ scenario: 'end-to-end', load }));
  return [...pairs, ...growth, ...writes];
}

interface Place {
  readonly scenario: string;
  readonly load: string;
}

class Rounds {
  private readonly samples = new Map<string, Sample>();
  private readonly rounds: readonly number[];

  constructor(runs: readonly Run[]) {
    this.rounds = [...new Set(runs.map(({ round }) => round))];
    for (const { load, round, sample, scenario } of runs) {
      const name = LIMITS.includes(scenario) ? 'limit' : scenario;
      const place = placeOf({ scenario: name, load }, round);
      const known = this.samples.get(place);
      // Of the limit's settings the best counts.
      if (sample !== null && (known === undefined || figureOf(sample, 'rows/s') > figureOf(known, 'rows/s')))
        this.samples.set(place, sample);
    }
  }

  ratio(name: string, figure: Figure, one: Place, other: Place): readonly Ratio[] {
    return this.median(name, figure, (round) => {
      const [left, right] = [one, other].map((place) => this.samples.get(placeOf(place, round)));
      return left && right ? figureOf(left, figure) / figureOf(right, figure) : Number.NaN;
    });
  }

  writesOfRows(place: Place): readonly Ratio[] {
    return this.median(`${place.scenario}, index writes a row, ${place.load}`, 'index writes', (round) => {
      const sample = this.samples.get(placeOf(place, round));
      return sample === undefined ? Number.NaN : figureOf(sample, 'index writes');
    });
  }

  private median(name: string, figure: Figure, read: (round: number) => number): readonly Ratio[] {
    const values = this.rounds.map(read).filter((value) => Number.isFinite(value) && value > 0);
    if (values.length === 0) return [];
    return [{ name, value: spreadOf(values).median, better: figure === 'rows/s' ? 'more' : 'less' }];
  }
}

function placeOf({ load, scenario }: Place, round: number): string {
  return `${scenario}/${load}/${round}`;
}

/** Per row change. */
function figureOf({ indexWrites, ms, ownCpuUs, rows }: Sample, figure: Figure): number {
  if (figure === 'rows/s') return rows / (ms / 1000);
  return (figure === 'own CPU' ? ownCpuUs : (indexWrites ?? Number.NaN)) / rows;
}
