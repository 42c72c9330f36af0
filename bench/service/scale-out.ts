import { parseArgs } from 'node:util';
import { spreadOf } from '../figures.ts';
import { makeLoad } from '../load.ts';
import { whole as count } from '../settings.ts';
import { markdownTable, whole } from '../table.ts';
import { warmElasticsearch } from '../warm-elasticsearch.ts';
import { type Attempt, attempt, figuresOf, type Ground, type Result, runCommand } from './command.ts';
import { type FullRate, measureFullRate } from './full-rate.ts';
import { uniqueRows } from './load-rows.ts';
import { PHASES, type Phase } from './phases.ts';
import { type JoinAndLeave, measureJoinAndLeave } from './scale-out-run.ts';

interface ScaleOutSettings {
  readonly instances: readonly number[];
  readonly rows: number;
  readonly rate: number;
  readonly seconds: number;
  readonly windowMs: number;
  readonly repeats: number;
  readonly json: string | null;
}

const USAGE = `Usage: npm run bench:scale-out -- [options]

Measures a group of instances: what they get through together, and what a change waits while one joins and leaves.

  --instances LIST  how many share a full topic of 4 partitions (1,2)
  --rows N          rows of that topic (400000)
  --rate N          rows a second while a second instance joins and leaves (5000)
  --seconds N       time before it comes, beside it, and after it has gone (15)
  --window-ms N     window, milliseconds (3000)
  --repeats N       runs of each, in turn (3)
  --json FILE       write the result there as well
  --help`;

/** For joining and leaving, seconds beside those that are asked for: more than every wait of it together. */
const LONGEST_SECONDS = 60;

const JOIN = 'join and leave';

function readSettings(args: readonly string[]): ScaleOutSettings | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      instances: { type: 'string', default: '1,2' },
      rows: { type: 'string', default: '400000' },
      rate: { type: 'string', default: '5000' },
      seconds: { type: 'string', default: '15' },
      'window-ms': { type: 'string', default: '3000' },
      repeats: { type: 'string', default: '3' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  return {
    instances: values.instances.split(',').map((text) => count('--instances', text, 1)),
    rows: count('--rows', values.rows, 1000),
    rate: count('--rate', values.rate, 10),
    seconds: count('--seconds', values.seconds, 5),
    windowMs: count('--window-ms', values['window-ms'], 1),
    repeats: count('--repeats', values.repeats, 1),
    json: values.json ?? null,
  };
}

async function measure(settings: ScaleOutSettings, ground: Ground): Promise<Result> {
  const { instances, rate, repeats, rows, seconds, windowMs } = settings;
  await warmElasticsearch(ground.elasticsearches);
  const load = makeLoad(uniqueRows('scale-out', rate * (3 * seconds + LONGEST_SECONDS), 4));
  const full: Attempt<FullRate>[] = [];
  const joins: Attempt<JoinAndLeave>[] = [];
  for (let round = 1; round <= repeats; round += 1) {
    for (const number of instances) {
      const run = () => measureFullRate(ground, { rows, instances: number });
      full.push(await attempt(nameOf(number), round, { run, say: rateLine }));
    }
    const run = () => measureJoinAndLeave(ground, { load, rate, seconds, windowMs });
    joins.push(await attempt(JOIN, round, { run, say: joinLine }));
  }
  const tables = [
    markdownTable(
      RATE_HEADS,
      instances.flatMap((number) => rateRow(number, figuresOf(full, nameOf(number)))),
    ),
    markdownTable(JOIN_HEADS, joinRows(figuresOf(joins, JOIN))),
  ];
  const told = `${whole(rows)} rows on the full topic; ${whole(rate)} rows/s, ${seconds} s before, beside and after the second instance`;
  return {
    table: tables.join('\n\n'),
    goals: [],
    attempts: [...full, ...joins],
    configuration: { 'scale-out': `${told}, window of ${windowMs} ms` },
  };
}

const RATE_HEADS = [
  'instances',
  'runs',
  'rows/s min / median / max',
  'own CPU µs/row, all',
  'servers µs/row',
  'partitions each',
  'peak MiB, the larger',
  'others',
];

function rateRow(number: number, figures: readonly FullRate[]): string[][] {
  const [first] = figures;
  if (first === undefined) return [];
  const rates = spreadOf(figures.map(({ rowsPerSecond }) => rowsPerSecond));
  const median = (of: (figure: FullRate) => number): number => spreadOf(figures.map(of)).median;
  const most = (of: (figure: FullRate) => number): number => spreadOf(figures.map(of)).max;
  const servers = Object.keys(first.cost.serverCpuUs).filter((name) => name !== 'producer');
  const row = [
    String(number),
    String(figures.length),
    [rates.min, rates.median, rates.max].map(whole).join(' / '),
    median(({ cost, rows }) => cost.ownCpuUs / rows).toFixed(1),
    servers
      .map((name) => `${name} ${median(({ cost, rows }) => (cost.serverCpuUs[name] ?? 0) / rows).toFixed(1)}`)
      .join(', '),
    first.shares.join(' + '),
    whole(most(({ peakResidentBytes }) => peakResidentBytes) / 2 ** 20),
    most(({ cost }) => cost.otherCores).toFixed(2),
  ];
  return [row];
}

const JOIN_HEADS = ['while', 'changes watched', 'p50 ms', 'p99 ms', 'max ms'];

function joinRows(figures: readonly JoinAndLeave[]): string[][] {
  if (figures.length === 0) return [];
  const median = (of: (figure: JoinAndLeave) => number): string => whole(spreadOf(figures.map(of)).median);
  const rowOf = (phase: Phase): string[] => [
    phase,
    String(figures.reduce((sum, { delays }) => sum + delays[phase].count, 0)),
    median(({ delays }) => delays[phase].p50Ms),
    median(({ delays }) => delays[phase].p99Ms),
    whole(spreadOf(figures.map(({ delays }) => delays[phase].maxMs)).max),
  ];
  return PHASES.map(rowOf);
}

function nameOf(number: number): string {
  return number === 1 ? '1 instance' : `${number} instances`;
}

function rateLine({ cost, rows, rowsPerSecond, shares }: FullRate): string {
  return `${whole(rowsPerSecond)} rows/s, own CPU ${(cost.ownCpuUs / rows).toFixed(1)} µs/row, partitions ${shares.join(' + ')}`;
}

function joinLine({ delays, joinMs, leaveMs, peakResidentBytes }: JoinAndLeave): string {
  const most = PHASES.map((phase) => `${phase} ${whole(delays[phase].maxMs)}`).join(', ');
  return `shared after ${whole(joinMs)} ms, alone after ${whole(leaveMs)} ms, at most ${most} ms, peak ${whole(peakResidentBytes / 2 ** 20)} MiB`;
}

await runCommand({ usage: USAGE, readSettings, measure });
