import { parseArgs } from 'node:util';
import { spreadOf } from '../figures.ts';
import { makeLoad } from '../load.ts';
import { whole as count } from '../settings.ts';
import { markdownTable, whole } from '../table.ts';
import { warmElasticsearch } from '../warm-elasticsearch.ts';
import { type Attempt, attempt, figuresOf, type Ground, type Result, runCommand, wrongRunsOf } from './command.ts';
import { type Freshness, measureFreshness } from './freshness-run.ts';
import { measureFullRate } from './full-rate.ts';
import type { Goal } from './goal.ts';
import { uniqueRows } from './load-rows.ts';

interface FreshnessSettings {
  readonly rate: number | null;
  readonly fullRate: number | null;
  readonly rows: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly windows: readonly number[];
  readonly repeats: number;
  readonly json: string | null;
}

const USAGE = `Usage: npm run bench:freshness -- [options]

Measures the time from a change's production until its document is visible, under a steady load.

  --rate N             rows a second (60 % of the full rate)
  --full-rate N        rows a second at full speed (measured by a run of its own)
  --rows N             rows of that run (200000)
  --seconds N          time that counts in a run (60)
  --warm-up-seconds N  time before it that does not (15)
  --windows LIST       windows, milliseconds (3000,200)
  --repeats N          runs of each window, in turn (3)
  --json FILE          write the result there as well
  --help`;

/** Share of the full rate that the service is measured under. */
const SHARE = 0.6;

/** The most that p99 may be, by window: a second more, and for short windows a bound of its own. */
function boundOf(windowMs: number): number {
  return windowMs === 200 ? 700 : windowMs + 1000;
}

function readSettings(args: readonly string[]): FreshnessSettings | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rate: { type: 'string' },
      'full-rate': { type: 'string' },
      rows: { type: 'string', default: '200000' },
      seconds: { type: 'string', default: '60' },
      'warm-up-seconds': { type: 'string', default: '15' },
      windows: { type: 'string', default: '3000,200' },
      repeats: { type: 'string', default: '3' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  return {
    rate: values.rate === undefined ? null : count('--rate', values.rate, 10),
    fullRate: values['full-rate'] === undefined ? null : count('--full-rate', values['full-rate'], 10),
    rows: count('--rows', values.rows, 1000),
    seconds: count('--seconds', values.seconds, 1),
    warmUpSeconds: count('--warm-up-seconds', values['warm-up-seconds'], 0),
    windows: values.windows.split(',').map((text) => count('--windows', text, 1)),
    repeats: count('--repeats', values.repeats, 1),
    json: values.json ?? null,
  };
}

async function measure(settings: FreshnessSettings, ground: Ground): Promise<Result> {
  const { repeats, seconds, warmUpSeconds, windows } = settings;
  await warmElasticsearch(ground.elasticsearches);
  const { rate, told } = await rateOf(settings, ground);
  console.log(`${'rate'.padEnd(14)} ${told}`);
  const load = makeLoad(uniqueRows('freshness', rate * (seconds + warmUpSeconds), 4));
  const attempts: Attempt<Freshness>[] = [];
  for (let round = 1; round <= repeats; round += 1) {
    for (const windowMs of windows) {
      const run = () => measureFreshness(ground, { load, rate, windowMs, warmUpSeconds });
      attempts.push(await attempt(nameOf(windowMs), round, { run, say: lineOf }));
    }
  }
  const goals = windows.map((windowMs): Goal => {
    const p99 = figuresOf(attempts, nameOf(windowMs)).map(({ delays }) => delays.p99Ms);
    const measured = p99.length === 0 ? null : spreadOf(p99).median;
    const what = `freshness p99 at ${whole(rate)} rows/s with a window of ${windowMs} ms, median of the runs`;
    return {
      id: 'P6',
      what,
      unit: 'ms',
      bound: boundOf(windowMs),
      is: 'at most',
      measured,
      wrongRuns: wrongRunsOf(attempts, nameOf(windowMs)),
    };
  });
  const rows = windows.flatMap((windowMs) => rowOf(nameOf(windowMs), figuresOf(attempts, nameOf(windowMs))));
  return { table: markdownTable(HEADS, rows), goals, attempts, configuration: { rate: told } };
}

async function rateOf(
  { fullRate, rate, rows }: FreshnessSettings,
  ground: Ground,
): Promise<{ rate: number; told: string }> {
  if (rate !== null) return { rate, told: `${whole(rate)} rows/s, as asked for` };
  const full = fullRate ?? (await measureFullRate(ground, { rows })).rowsPerSecond;
  const share = Math.floor(full * SHARE);
  return {
    rate: share,
    told: `${whole(share)} rows/s, ${SHARE} of ${whole(full)} ${fullRate === null ? 'measured' : 'given'}`,
  };
}

const HEADS = [
  'window',
  'runs',
  'p50 ms',
  'p99 ms min / median / max',
  'max ms',
  'own CPU µs/row',
  'peak MiB',
  'others',
];

function rowOf(name: string, figures: readonly Freshness[]): string[][] {
  if (figures.length === 0) return [];
  const p99 = spreadOf(figures.map(({ delays }) => delays.p99Ms));
  const median = (of: (figure: Freshness) => number): number => spreadOf(figures.map(of)).median;
  const most = (of: (figure: Freshness) => number): number => spreadOf(figures.map(of)).max;
  const row = [
    name,
    String(figures.length),
    whole(median(({ delays }) => delays.p50Ms)),
    [p99.min, p99.median, p99.max].map(whole).join(' / '),
    whole(most(({ delays }) => delays.maxMs)),
    median(({ cost, rows }) => cost.ownCpuUs / rows).toFixed(1),
    whole(most(({ peakResidentBytes }) => peakResidentBytes) / 2 ** 20),
    most(({ cost }) => cost.otherCores).toFixed(2),
  ];
  return [row];
}

function nameOf(windowMs: number): string {
  return `window ${windowMs} ms`;
}

function lineOf({ delays, peakResidentBytes }: Freshness): string {
  const { count: samples, maxMs, p50Ms, p99Ms } = delays;
  const times = `p50 ${whole(p50Ms)}, p99 ${whole(p99Ms)}, max ${whole(maxMs)} ms of ${samples} samples`;
  return `${times}, peak ${whole(peakResidentBytes / 2 ** 20)} MiB`;
}

await runCommand({ usage: USAGE, readSettings, measure });
