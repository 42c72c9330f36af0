import { parseArgs } from 'node:util';
import { spreadOf } from '../figures.ts';
import { GOOD_BULK, limit } from '../limit.ts';
import { type Load, makeLoad } from '../load.ts';
import { whole as count } from '../settings.ts';
import { markdownTable, whole } from '../table.ts';
import { warmElasticsearch } from '../warm-elasticsearch.ts';
import { type Attempt, attempt, figuresOf, type Ground, type Result, runCommand, wrongRunsOf } from './command.ts';
import type { Goal } from './goal.ts';
import { loadRows, summaryOfRows, uniqueRows } from './load-rows.ts';
import { measureRecovery, type Recovery } from './recovery-run.ts';

interface RecoverySettings {
  readonly keys: number;
  readonly liveRate: number;
  readonly windowMs: number;
  readonly repeats: number;
  readonly json: string | null;
}

const USAGE = `Usage: npm run bench:recovery -- [options]

Measures how fast parked keys reach the index beside a live stream, against a bare SELECT and a bare bulk client.

  --keys N         parked keys (1000000)
  --live-rate N    rows a second of the live stream (200)
  --window-ms N    window, milliseconds (3000)
  --repeats N      runs (5)
  --json FILE      write the result there as well
  --help`;

/** Recovery slower than this many keys a second is given up: the live stream has no more rows. */
const LEAST_RATE = 500;

const NAME = 'recovery';

function readSettings(args: readonly string[]): RecoverySettings | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keys: { type: 'string', default: '1000000' },
      'live-rate': { type: 'string', default: '200' },
      'window-ms': { type: 'string', default: '3000' },
      repeats: { type: 'string', default: '5' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  return {
    keys: count('--keys', values.keys, 1000),
    liveRate: count('--live-rate', values['live-rate'], 10),
    windowMs: count('--window-ms', values['window-ms'], 1),
    repeats: count('--repeats', values.repeats, 1),
    json: values.json ?? null,
  };
}

async function measure({ keys, liveRate, repeats, windowMs }: RecoverySettings, ground: Ground): Promise<Result> {
  const liveRows = Math.ceil(liveRate * (60 + keys / LEAST_RATE));
  const load = makeLoad(uniqueRows(NAME, keys + liveRows, 4));
  const rows = loadRows(load);
  const parkedLoad = firstRows(load, keys);
  const client = limit(ground.places, GOOD_BULK);
  await client.open(parkedLoad);
  const attempts: Attempt<Recovery>[] = [];
  try {
    await warmElasticsearch(ground.elasticsearches);
    for (let round = 1; round <= repeats; round += 1) {
      const options = { load, rows, keys, liveRate, windowMs, bulk: { client, load: parkedLoad } };
      attempts.push(await attempt(NAME, round, { run: () => measureRecovery(ground, options), say: lineOf }));
    }
  } finally {
    await client.close();
  }
  const figures = figuresOf(attempts, NAME);
  const told = `${whole(keys)} keys, live stream of ${whole(liveRate)} rows/s, window of ${windowMs} ms`;
  const bulk = `${GOOD_BULK.inFlight} requests of ${GOOD_BULK.documents} documents at a time`;
  return {
    table: markdownTable(HEADS, figures.map(rowOf)),
    goals: goalsOf(attempts, windowMs),
    attempts,
    configuration: { recovery: told, 'bulk client': bulk },
  };
}

function goalsOf(attempts: readonly Attempt<Recovery>[], windowMs: number): readonly Goal[] {
  const figures = figuresOf(attempts, NAME);
  const wrongRuns = wrongRunsOf(attempts, NAME);
  const isMeasured = figures.length > 0;
  const ratio = isMeasured ? spreadOf(figures.map((one) => one.ratio)).median : null;
  const delay = isMeasured ? spreadOf(figures.map(({ live }) => live.maxMs - windowMs)).max : null;
  return [
    {
      id: 'P8',
      what: 'keys/s over the slower of SELECT and bulk client, median of the runs',
      unit: '×',
      bound: 0.7,
      is: 'at least',
      measured: ratio,
      wrongRuns,
    },
    {
      id: 'P8',
      what: 'greatest delay of the live stream beyond its window, of all runs',
      unit: 'ms',
      bound: windowMs,
      is: 'at most',
      measured: delay,
      wrongRuns,
    },
  ];
}

/** The load without its rows from `count` on. */
function firstRows({ partitions, summary }: Load, rows: number): Load {
  const first = summaryOfRows(summary, 0, rows);
  return { summary: first, partitions: partitions.map((values, partition) => values.slice(0, first.ends[partition])) };
}

const HEADS = [
  'run',
  'keys/s',
  'SELECT keys/s',
  'bulk keys/s',
  'ratio',
  'live p50 / p99 / max ms',
  'own CPU µs/key',
  'Elasticsearch / MariaDB / Redis',
  'Elasticsearch, bulk alone',
  'peak MiB',
  'others',
];

function rowOf(figure: Recovery, at: number): string[] {
  const { bulkCpuUs, bulkPerSecond, cost, keysPerSecond, live, peakResidentBytes, ratio, selectPerSecond } = figure;
  const perKey = (us: number): number => us / ((keysPerSecond * cost.ms) / 1000);
  const { elasticsearch = 0, mariadb = 0, redis = 0 } = cost.serverCpuUs;
  return [
    String(at + 1),
    whole(keysPerSecond),
    whole(selectPerSecond),
    whole(bulkPerSecond),
    ratio.toFixed(2),
    [live.p50Ms, live.p99Ms, live.maxMs].map(whole).join(' / '),
    perKey(cost.ownCpuUs).toFixed(1),
    [elasticsearch, mariadb, redis].map((us) => perKey(us).toFixed(1)).join(' / '),
    bulkCpuUs.toFixed(1),
    whole(peakResidentBytes / 2 ** 20),
    cost.otherCores.toFixed(2),
  ];
}

function lineOf({ keysPerSecond, live, ratio }: Recovery): string {
  return `${whole(keysPerSecond)} keys/s, ratio ${ratio.toFixed(2)}, live stream at most ${whole(live.maxMs)} ms`;
}

await runCommand({ usage: USAGE, readSettings, measure });
