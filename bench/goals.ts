import { type Run, spreadOf } from './figures.ts';
import { LIMITS, PEERS, type ScenarioName } from './scenario.ts';
import type { Sample } from './scenario-process.ts';
import { markdownTable } from './table.ts';

/** A goal and what one interleaved run says about it. */
export interface GoalResult {
  /** As the list of goals numbers it: `P5a`. */
  readonly goal: string;
  readonly text: string;
  /** A ratio, median of the rounds; MiB for memory. Null when the runs for it were not made or not right. */
  readonly measured: number | null;
  readonly target: string;
  /** Null when not measured. False also when a run that was to show it ended wrong. */
  readonly reached: boolean | null;
  /** Rounds that were compared. */
  readonly rounds: number;
}

const MIB = 2 ** 20;

type Figure = (sample: Sample) => number;

const rate: Figure = ({ rows, ms }) => rows / ms;
const ownCpu: Figure = ({ rows, ownCpuUs }) => ownCpuUs / rows;
const ownCpuOfByte: Figure = ({ bytes, ownCpuUs }) => ownCpuUs / bytes;

/** The goals that one run of scenarios can show. Freshness, recovery and start have commands of their own. */
export function goalsOf(runs: readonly Run[]): readonly GoalResult[] {
  const rounds = new Rounds(runs);
  return [
    ...speedGoals(rounds),
    ...['unique', 'zipf'].flatMap((load) => costGoals(rounds, load)),
    residentGoal(rounds),
    ...growthGoals(rounds),
  ];
}

function speedGoals(rounds: Rounds): readonly GoalResult[] {
  const ofPeer = (goal: string, scenario: ScenarioName, load: string, least: number): GoalResult => {
    const peer = rounds.bestPeer(load);
    const values = peer === null ? [] : rounds.ratios({ scenario, load }, { scenario: peer, load }, rate);
    const text = `${scenario}, ${load}: rows/s ÷ those of the best correct peer${peer === null ? '' : ` (${peer})`}`;
    return rounds.judged({ goal, text, values, atLeast: least, of: [{ scenario, load }] });
  };
  const lean: Place = { scenario: 'end-to-end-lean', load: 'unique' };
  const everything: Place = { scenario: 'end-to-end', load: 'zipf' };
  return [
    ofPeer('P1', 'end-to-end', 'unique', 1.5),
    rounds.judged({
      goal: 'P2',
      text: 'end-to-end-lean, unique: rows/s ÷ documents/s of the bare client at its best setting',
      values: rounds.values(lean, (sample, round) => {
        const best = rounds.best(LIMITS, lean.load, round);
        return best === null ? null : rate(sample) / best;
      }),
      atLeast: 0.75,
      of: [lean],
    }),
    ofPeer('P2', 'end-to-end-lean', 'unique', 2.5),
    ofPeer('P3', 'end-to-end', 'zipf', 2.5),
    rounds.judged({
      goal: 'P3',
      text: 'end-to-end, zipf: index writes ÷ keys folded in all windows, retries apart',
      values: rounds.values(everything, writesOfKey),
      atMost: 1,
      of: [everything],
    }),
    ofPeer('P4', 'end-to-end-lean', 'zipf', 5),
  ];
}

function writesOfKey({ indexWrites, notes }: Sample): number | null {
  const { 'folded keys': keys, retried = 0 } = notes;
  return indexWrites === null || keys === undefined ? null : (indexWrites - retried) / keys;
}

function costGoals(rounds: Rounds, load: string): readonly GoalResult[] {
  const over = (goal: string, scenario: ScenarioName, reference: Place, atMost: number, what: string): GoalResult =>
    rounds.judged({
      goal,
      text: `${scenario}, ${load}: own CPU a row ÷ that ${what}`,
      values: rounds.ratios({ scenario, load }, reference, ownCpu),
      atMost,
      of: [{ scenario, load }],
    });
  const buffered: Place = { scenario: 'buffered', load };
  const several = (scenario: ScenarioName): GoalResult => {
    const place = { scenario, load: `${load}-20` };
    return rounds.judged({
      goal: 'P5d',
      text: `${scenario}, ${load}: own CPU a row, 20 rows a message ÷ one`,
      values: rounds.ratios(place, { scenario, load }, ownCpu),
      atMost: 0.4,
      of: [place, { scenario, load }],
    });
  };
  return [
    over('P5a', 'intake', { scenario: 'json-parse', load }, 0.75, 'of JSON.parse alone'),
    over('P5b', 'kafka-fold', { scenario: 'kafka-limit', load }, 1.3, 'of a bare consumer'),
    rounds.judged({
      goal: 'P5c',
      text: `buffered less intake, ${load}: own CPU a row ÷ that of a bare loop of the same calls`,
      values: rounds.values(buffered, (sample, round) => {
        const without = rounds.sample({ scenario: 'intake', load }, round);
        const bare = rounds.sample({ scenario: 'stores-limit', load }, round);
        return without === null || bare === null ? null : (ownCpu(sample) - ownCpu(without)) / ownCpu(bare);
      }),
      atMost: 1.2,
      of: [buffered, { scenario: 'intake', load }],
    }),
    several('intake'),
    several('kafka-fold'),
  ];
}

/** The worst of the medians: a limit has to hold on every load. */
function residentGoal(rounds: Rounds): GoalResult {
  const places = rounds.places.filter(({ scenario }) => scenario === 'end-to-end' || scenario === 'end-to-end-lean');
  let worst: { readonly place: Place; readonly values: readonly number[] } | null = null;
  for (const place of places) {
    const values = rounds.values(place, ({ peakResidentBytes }) => peakResidentBytes / MIB);
    if (values.length > 0 && (worst === null || spreadOf(values).median > spreadOf(worst.values).median))
      worst = { place, values };
  }
  const where = worst === null ? '' : ` (${worst.place.scenario}, ${worst.place.load})`;
  const text = `end-to-end and lean, every load: highest resident set, MiB, at its worst${where}`;
  return rounds.judged({ goal: 'P7', text, values: worst?.values ?? [], atMost: 300, of: places });
}

function growthGoals(rounds: Rounds): readonly GoalResult[] {
  const grown = [
    { suffix: '10x-keys', what: 'ten times the keys', figure: ownCpu, unit: 'change' },
    { suffix: '10-tables', what: 'ten tables', figure: ownCpu, unit: 'change' },
    { suffix: 'wide', what: 'ten times the width', figure: ownCpuOfByte, unit: 'byte' },
  ];
  return grown.flatMap(({ figure, suffix, unit, what }) =>
    ['unique', 'zipf'].map((load) => {
      const place: Place = { scenario: 'end-to-end', load: `${load}-${suffix}` };
      const text = `end-to-end, ${load}: own CPU a ${unit}, ${what} ÷ as it is`;
      const small: Place = { scenario: 'end-to-end', load };
      return rounds.judged({
        goal: 'P9',
        text,
        values: rounds.ratios(place, small, figure),
        atMost: 1.15,
        of: [place, small],
      });
    }),
  );
}

interface Place {
  readonly scenario: string;
  readonly load: string;
}

interface Question {
  readonly goal: string;
  readonly text: string;
  /** One of each round in which everything that is compared ended right. */
  readonly values: readonly number[];
  readonly atLeast?: number;
  readonly atMost?: number;
  /** What of ours must not have ended wrong. */
  readonly of: readonly Place[];
}

/** The runs by round: only what ran next to each other is compared. */
class Rounds {
  readonly places: readonly Place[];
  private readonly runs: readonly Run[];

  constructor(runs: readonly Run[]) {
    this.runs = runs;
    const named = new Map(runs.map((run) => [`${run.scenario} ${run.load}`, run]));
    this.places = [...named.values()];
  }

  sample(place: Place, round: number): Sample | null {
    return this.at(place).find((run) => run.round === round)?.sample ?? null;
  }

  /** What can be told of the right runs of a place. */
  values(place: Place, tell: (sample: Sample, round: number) => number | null): readonly number[] {
    return this.at(place).flatMap(({ round, sample }) => {
      const told = sample === null ? null : tell(sample, round);
      return told === null ? [] : [told];
    });
  }

  ratios(place: Place, reference: Place, figure: Figure): readonly number[] {
    return this.values(place, (sample, round) => {
      const beside = this.sample(reference, round);
      return beside === null ? null : figure(sample) / figure(beside);
    });
  }

  /** The highest rate that one of the scenarios had in a round. */
  best(scenarios: readonly string[], load: string, round: number): number | null {
    const samples = scenarios.flatMap((scenario) => this.sample({ scenario, load }, round) ?? []);
    return samples.length === 0 ? null : Math.max(...samples.map(rate));
  }

  /** The peer whose right runs have the highest median rate. */
  bestPeer(load: string): string | null {
    const medianOf = (scenario: string): number => spreadOf(this.values({ scenario, load }, rate)).median;
    const right = PEERS.filter((scenario) => this.values({ scenario, load }, rate).length > 0);
    return right.toSorted((left, other) => medianOf(other) - medianOf(left))[0] ?? null;
  }

  judged({ atLeast, atMost, goal, of, text, values }: Question): GoalResult {
    const target = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
    if (values.length === 0) return { goal, text, measured: null, target, reached: null, rounds: 0 };
    const measured = spreadOf(values).median;
    const isRight = of.every((place) => this.at(place).every(({ sample }) => sample !== null));
    const isWithin =
      measured >= (atLeast ?? Number.NEGATIVE_INFINITY) && measured <= (atMost ?? Number.POSITIVE_INFINITY);
    return { goal, text, measured, target, reached: isRight && isWithin, rounds: values.length };
  }

  private at({ scenario, load }: Place): readonly Run[] {
    return this.runs.filter((run) => run.scenario === scenario && run.load === load);
  }
}

/** The goals as a Markdown table. */
export function goalsTable(goals: readonly GoalResult[]): string {
  const verdicts = { true: 'yes', false: 'NO', null: 'not measured' };
  const rows = goals.map(({ goal, measured, reached, rounds, target, text }) => {
    const value = measured === null ? '' : measured.toFixed(measured < 10 ? 2 : 0);
    return [goal, text, target, value, verdicts[`${reached}`], String(rounds)];
  });
  return markdownTable(['goal', 'what', 'target', 'measured', 'reached', 'rounds'], rows);
}
