import { parseArgs } from 'node:util';
import { spreadOf } from '../figures.ts';
import { makeLoad } from '../load.ts';
import { whole as count } from '../settings.ts';
import { markdownTable, whole } from '../table.ts';
import { type Attempt, attempt, figuresOf, type Ground, type Result, runCommand, wrongRunsOf } from './command.ts';
import type { Goal } from './goal.ts';
import { uniqueRows } from './load-rows.ts';
import { measureStarts, measureTakeOver, type Start } from './start-run.ts';

interface StartSettings {
  readonly repeats: number;
  readonly windowMs: number;
  readonly sessionTimeoutMs: number;
  readonly rate: number;
  readonly json: string | null;
}

const USAGE = `Usage: npm run bench:start -- [options]

Measures the time from the start of the service to the first document that is visible, and the take-over by a second
instance after the first one was killed.

  --repeats N             runs of each (5)
  --window-ms N           window, milliseconds (3000)
  --session-timeout-ms N  session timeout of the take-over, milliseconds (6000)
  --rate N                rows a second during the take-over (20)
  --json FILE             write the result there as well
  --help`;

/** What start and take-over may take beyond window and session timeout. */
const GRACE_MS = 2000;

/** Rows of a take-over last so long, seconds: more than every wait of it together. */
const LONGEST_SECONDS = 600;

const FIRST = 'first start';
const AGAIN = 'start again';
const TAKE_OVER = 'take-over';

function readSettings(args: readonly string[]): StartSettings | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      repeats: { type: 'string', default: '5' },
      'window-ms': { type: 'string', default: '3000' },
      'session-timeout-ms': { type: 'string', default: '6000' },
      rate: { type: 'string', default: '20' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  return {
    repeats: count('--repeats', values.repeats, 1),
    windowMs: count('--window-ms', values['window-ms'], 1),
    sessionTimeoutMs: count('--session-timeout-ms', values['session-timeout-ms'], 6000),
    rate: count('--rate', values.rate, 1),
    json: values.json ?? null,
  };
}

async function measure(settings: StartSettings, ground: Ground): Promise<Result> {
  const { rate, repeats, sessionTimeoutMs, windowMs } = settings;
  const few = makeLoad(uniqueRows('start', 2, 4));
  const trickle = makeLoad(uniqueRows('take-over', rate * LONGEST_SECONDS, 1));
  const attempts: Attempt<Start>[] = [];
  const { first } = await measureStarts(ground, { load: few, windowMs });
  console.log(`warm-up  ${FIRST.padEnd(16)} ${lineOf(first)}, on servers that have done nothing yet: not counted`);
  for (let round = 1; round <= repeats; round += 1) {
    const starts = measureStarts(ground, { load: few, windowMs });
    attempts.push(await attempt(FIRST, round, { run: async () => (await starts).first, say: lineOf }));
    attempts.push(await attempt(AGAIN, round, { run: async () => (await starts).again, say: lineOf }));
    const run = () => measureTakeOver(ground, { load: trickle, rate, sessionTimeoutMs, windowMs });
    attempts.push(await attempt(TAKE_OVER, round, { run, say: lineOf }));
  }
  const bounds = [
    { name: FIRST, bound: GRACE_MS + windowMs },
    { name: AGAIN, bound: GRACE_MS + windowMs },
    { name: TAKE_OVER, bound: GRACE_MS + windowMs + sessionTimeoutMs },
  ];
  return {
    table: markdownTable(
      HEADS,
      bounds.flatMap(({ name, bound }) => rowOf(name, bound, figuresOf(attempts, name))),
    ),
    goals: bounds.map(({ name, bound }) => goalOf(name, bound, attempts)),
    attempts,
    configuration: { start: `window of ${windowMs} ms, session timeout of ${sessionTimeoutMs} ms, ${rate} rows/s` },
  };
}

function goalOf(name: string, bound: number, attempts: readonly Attempt<Start>[]): Goal {
  const figures = figuresOf(attempts, name);
  const measured = figures.length === 0 ? null : spreadOf(figures.map(({ ms }) => ms)).median;
  const what = `${name} to the first document, median of the runs`;
  return { id: 'P10', what, unit: 'ms', bound, is: 'at most', measured, wrongRuns: wrongRunsOf(attempts, name) };
}

const HEADS = ['what', 'runs', 'median ms', 'worst ms', 'bound ms', 'peak MiB'];

function rowOf(name: string, bound: number, figures: readonly Start[]): string[][] {
  if (figures.length === 0) return [];
  const { max, median } = spreadOf(figures.map(({ ms }) => ms));
  const peak = Math.max(...figures.map(({ peakResidentBytes }) => peakResidentBytes));
  return [[name, String(figures.length), whole(median), whole(max), whole(bound), whole(peak / 2 ** 20)]];
}

function lineOf({ ms, peakResidentBytes }: Start): string {
  return `${whole(ms)} ms, peak ${whole(peakResidentBytes / 2 ** 20)} MiB`;
}

await runCommand({ usage: USAGE, readSettings, measure });
