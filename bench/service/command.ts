import { writeFileSync } from 'node:fs';
import { describeMachine } from '../machine.ts';
import type { Places } from '../scenario.ts';
import { Servers } from '../servers.ts';
import { buildService } from '../service-build.ts';
import { type Goal, goalLine, isReached } from './goal.ts';

/** One counted run, or why it has no figure. */
export interface Attempt<Figure> {
  readonly name: string;
  readonly round: number;
  readonly figure: Figure | null;
  readonly failure: string | null;
}

export interface Result {
  readonly table: string;
  readonly goals: readonly Goal[];
  readonly attempts: readonly Attempt<unknown>[];
  /** What was set, by name, for who reads the result later. */
  readonly configuration: Readonly<Record<string, string>>;
}

/** The servers of a command, all four. */
export interface Ground {
  readonly places: Required<Places>;
  /** Process ids of the servers by name. */
  readonly pids: Readonly<Record<string, number>>;
  /** The one Elasticsearch, as `warmElasticsearch` takes it. */
  readonly elasticsearches: Servers['elasticsearches'];
}

interface CommandOptions<Settings> {
  readonly usage: string;
  /** Null when help was asked for. Throws with one line that says what is wrong. */
  readSettings(args: readonly string[]): Settings | null;
  measure(settings: Settings, ground: Ground): Promise<Result>;
}

/** Builds the service, starts the servers, measures, prints and writes the result, and takes the servers down. A wrong run is a wrong exit code. */
export async function runCommand<Settings extends { readonly json: string | null }>(
  options: CommandOptions<Settings>,
): Promise<void> {
  try {
    const settings = options.readSettings(process.argv.slice(2));
    if (settings === null) console.log(options.usage);
    else await onServers(options, settings);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

async function onServers<Settings extends { readonly json: string | null }>(
  { measure }: CommandOptions<Settings>,
  settings: Settings,
): Promise<void> {
  buildService();
  console.log('starting kafka, elasticsearch, redis, mariadb …');
  const servers = await Servers.start(new Set(['kafka', 'elasticsearch', 'redis', 'mariadb']));
  try {
    const configuration = { ...describeMachine(), ...(await servers.describe()) };
    for (const [name, value] of Object.entries(configuration)) console.log(`${name.padEnd(14)} ${value}`);
    const { elasticsearches, places, pids } = servers;
    const result = await measure(settings, { places: places as Required<Places>, pids, elasticsearches });
    console.log(`\n${result.table}\n`);
    for (const goal of result.goals) console.log(goalLine(goal));
    const wrong = result.attempts.filter(({ failure }) => failure !== null).length;
    if (wrong > 0) {
      console.log(`${wrong} of ${result.attempts.length} runs ended wrong and have no figure.`);
      process.exitCode = 1;
    }
    if (settings.json !== null) {
      const whole = { configuration: { ...configuration, ...result.configuration }, settings };
      const { attempts, table } = result;
      const goals = result.goals.map((goal) => ({ ...goal, reached: isReached(goal) }));
      writeFileSync(settings.json, `${JSON.stringify({ ...whole, table, goals, attempts }, null, 2)}\n`);
    }
  } finally {
    await servers.stop();
  }
}

/** Makes one run and prints a line about it. What it rejects with is why it has no figure. */
export async function attempt<Figure>(
  name: string,
  round: number,
  { run, say }: { run(): Promise<Figure>; say(figure: Figure): string },
): Promise<Attempt<Figure>> {
  try {
    const figure = await run();
    console.log(`round ${round}  ${name.padEnd(16)} ${say(figure)}`);
    return { name, round, figure, failure: null };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    console.log(`round ${round}  ${name.padEnd(16)} WRONG ${failure}`);
    return { name, round, figure: null, failure };
  }
}

/** How many runs of a name ended wrong. */
export function wrongRunsOf(attempts: readonly Attempt<unknown>[], name: string): number {
  return attempts.filter((one) => one.name === name && one.figure === null).length;
}

/** The figures of the right runs of a name. */
export function figuresOf<Figure>(attempts: readonly Attempt<Figure>[], name: string): readonly Figure[] {
  return attempts.flatMap((one) => (one.name === name && one.figure !== null ? [one.figure] : []));
}
