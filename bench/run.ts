import { writeFileSync } from 'node:fs';
import { baselineOf, comparedWith, readBaseline, writeBaseline } from './baseline.ts';
import { type Figures, figuresOf, type Run } from './figures.ts';
import { type GoalResult, goalsOf, goalsTable } from './goals.ts';
import { describeMachine } from './machine.ts';
import { RemoteScenario } from './remote-scenario.ts';
import { SERVERS_OF } from './scenario.ts';
import { Servers } from './servers.ts';
import { buildService } from './service-build.ts';
import { type BenchSettings, readSettings, USAGE } from './settings.ts';
import { tableOf } from './table.ts';
import { warmElasticsearch } from './warm-elasticsearch.ts';

/** Runs every scenario on every load, round by round, so that what is compared ran next to each other. */
async function bench(settings: BenchSettings): Promise<void> {
  // Now, not after hours: a file that cannot be read ends the command.
  const baseline = settings.baseline === null ? null : readBaseline(settings.baseline);
  buildService();
  const names = new Set(settings.scenarios.flatMap((scenario) => SERVERS_OF[scenario]));
  console.log(names.size === 0 ? 'no servers are needed' : `starting ${[...names].join(', ')} …`);
  const servers = await Servers.start(names);
  const scenarios: RemoteScenario[] = [];
  try {
    const configuration = { ...describeMachine(), ...(await servers.describe()), ...describeSettings(settings) };
    for (const [name, value] of Object.entries(configuration)) console.log(`${name.padEnd(14)} ${value}`);
    for (const name of settings.scenarios) scenarios.push(await RemoteScenario.open(name, settings.loads, servers));
    await warmElasticsearch(servers.elasticsearches, (name) => servers.focus([name]));
    const runs = await runRounds(settings, scenarios, servers);
    const figures = settings.loads.flatMap(({ name: load }) =>
      settings.scenarios.flatMap((scenario) => figuresOf(runs, scenario, load) ?? []),
    );
    const goals = goalsOf(runs);
    report(figures, runs, goals);
    if (baseline !== null) console.log(`\n${comparedWith(baseline, runs, configuration).join('\n')}`);
    if (settings.writeBaseline !== null) writeBaseline(settings.writeBaseline, baselineOf(runs, configuration));
    if (settings.json !== null) {
      writeFileSync(settings.json, `${JSON.stringify({ configuration, settings, figures, goals, runs }, null, 2)}\n`);
    }
  } finally {
    await servers.focus([...names]);
    for (const scenario of scenarios) await scenario.close();
    await servers.stop();
  }
}

async function runRounds(
  settings: BenchSettings,
  scenarios: readonly RemoteScenario[],
  servers: Servers,
): Promise<readonly Run[]> {
  const runs: Run[] = [];
  for (let round = 1 - settings.warmUps; round <= settings.repeats; round += 1) {
    for (const { name: load } of settings.loads) {
      for (const scenario of scenarios) {
        await servers.focus(SERVERS_OF[scenario.name]);
        const run = await runOnce(scenario, load, round);
        console.log(lineOf(run));
        if (round > 0) runs.push(run);
      }
    }
  }
  return runs;
}

async function runOnce(scenario: RemoteScenario, load: string, round: number): Promise<Run> {
  const place = { scenario: scenario.name, load, round };
  try {
    return { ...place, sample: await scenario.run(load), failure: null };
  } catch (error) {
    return { ...place, sample: null, failure: error instanceof Error ? error.message : String(error) };
  }
}

function lineOf({ scenario, load, round, sample, failure }: Run): string {
  const place = `${round > 0 ? `round ${round}` : 'warm-up'}  ${scenario.padEnd(15)} ${load.padEnd(9)}`;
  if (sample === null) return `${place} WRONG ${failure}`;
  const { rows, ms, ownCpuUs, notes } = sample;
  const said = Object.entries(notes).map(([name, count]) => `${name} ${count}`);
  return `${place} ${(ms / 1000).toFixed(2)} s, own CPU ${(ownCpuUs / rows).toFixed(1)} µs/row  ${said.join(', ')}`;
}

function report(figures: readonly Figures[], runs: readonly Run[], goals: readonly GoalResult[]): void {
  console.log(`\n${tableOf(figures)}\n`);
  console.log('own CPU: the whole process, garbage collection and compilation included.');
  console.log('peak MiB: the highest resident set of the process that is measured.');
  console.log('× limit, × JSON.parse: median of the rounds, each against the run beside it.');
  console.log(
    'others: cores that something else on this machine used meanwhile, at worst. Above 0.25 the run proves little.',
  );
  console.log(`\n${goalsTable(goals)}\n`);
  console.log('measured: median of the rounds, each against the runs beside it. Fewer than 5 rounds show little.');
  const wrong = runs.filter(({ failure }) => failure !== null);
  if (wrong.length === 0) return;
  console.log(`${wrong.length} of ${runs.length} runs ended wrong and have no rate.`);
  process.exitCode = 1;
}

function describeSettings({ loads, repeats, warmUps }: BenchSettings): Readonly<Record<string, string>> {
  const shapes = loads.map(({ name, rows, keys, skew, rowsPerMessage, tables = 1, width = 1 }) => {
    const drawn = `${keys} keys${skew > 0 ? `, Zipf(${skew})` : ' in order'}, ${rowsPerMessage} a record`;
    return `${name}: ${rows} rows, ${drawn}${tables > 1 ? `, ${tables} tables` : ''}${width > 1 ? `, ${width} × the columns` : ''}`;
  });
  return { loads: shapes.join('; '), rounds: `${repeats} counted after ${warmUps} not counted` };
}

try {
  const settings = readSettings(process.argv.slice(2));
  if (settings === null) console.log(USAGE);
  else await bench(settings);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
