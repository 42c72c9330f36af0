import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { compareIndex, compareJournal, compareStore, type Difference, isAtRest, lag } from './checker.ts';
import { suffer } from './faults.ts';
import { type Fault, linkFaults, nameOf, processFaults, seededRandom } from './schedule.ts';
import type { Report } from './table.ts';
import { closeWorld, keepServerLogs, openWorld, SESSION_MS, type World } from './world.ts';

export interface RunOptions {
  /** Minutes of faults; the waits for rest come on top. */
  readonly minutes: number;
  readonly seed: number;
  /** Fewer faults than this are a problem. Default 0. */
  readonly leastFaults?: number;
  /** Records a second, usually. Default 300. */
  readonly perSecond?: number;
  readonly print: (line: string) => void;
}

/** Faults rest at least this often, and everything is compared. */
const ROUND_MINUTES = 4;
const REST_MS = 180_000;
/** Longest until the second look at a delete that the index forgot: twice the first interval, and some. */
const GHOST_MS = 300_000;
const SAMPLE_MS = 2000;
const MOST_RESIDENT_BYTES = 512 << 20;
/** What an instance may end with when a server is away at its start, or for too long. */
const ADMITTED_EXITS = new Set(['E2001', 'E3001', 'E4001']);

/**
 * Runs real instances against real servers with faults on every link, in every process and in every server, and
 * compares what Elasticsearch and the store hold with what was written. Resolves with what it found; when something is
 * wrong, the logs stay in a folder that is told.
 */
export async function converge(options: RunOptions): Promise<Report> {
  const { perSecond = 300, print, seed } = options;
  const folder = mkdtempSync(join(tmpdir(), `sluice-converge-${seed}-`));
  const world = await openWorld({ seed, perSecond, folder }).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true }); // there are no logs yet
    throw error;
  });
  let isRight = false;
  try {
    const run = new Run(options, world);
    await run.rounds();
    const report = run.report();
    isRight = report.problems.length === 0;
    if (!isRight) writeFileSync(join(folder, 'problems.txt'), `seed ${seed}\n${report.problems.join('\n')}\n`);
    return report;
  } finally {
    if (isRight) rmSync(folder, { recursive: true, force: true });
    else {
      keepServerLogs(world, folder);
      print(`seed ${seed} went wrong; the logs are in ${folder}`);
    }
    await closeWorld(world);
  }
}

class Run {
  private readonly options: RunOptions;
  private readonly world: World;
  private readonly lanes: readonly Generator<Fault>[];
  private readonly faults = new Map<string, number>();
  private readonly problems: string[] = [];
  private readonly restMs: number[] = [];
  private readonly startedMs = performance.now();
  private difference: Difference = { missing: 0, extra: 0, stale: 0, wrong: 0, problems: [] };
  private idleFaults = 0;
  private ghosts = 0;
  private changesInGaps = 0;
  private maxLag = 0;

  constructor(options: RunOptions, world: World) {
    this.options = options;
    this.world = world;
    // Numbers of its own for each lane: how long the faults of one last must not change what the other plans.
    this.lanes = [
      linkFaults(seededRandom(options.seed * 4 + 1)),
      processFaults(seededRandom(options.seed * 4 + 2), SESSION_MS),
    ];
  }

  async rounds(): Promise<void> {
    const { minutes } = this.options;
    const [first, second] = this.world.instances;
    await Promise.all([first.start(), second.start()]);
    const count = Math.ceil(minutes / ROUND_MINUTES);
    for (let round = 0; round < count && this.problems.length === 0; round += 1) {
      await this.faultsFor((minutes / count) * 60_000);
      await this.watchedDuring(() => this.rest());
    }
  }

  private async faultsFor(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    const ended = new AbortController();
    const loading = this.world.load.run(ended.signal);
    loading.catch(() => undefined); // told below; until then the faults go on
    try {
      await this.watchedDuring(() => Promise.all(this.lanes.map((lane) => this.runLane(lane, endMs))));
    } finally {
      ended.abort();
    }
    await loading;
  }

  private async runLane(lane: Generator<Fault>, endMs: number): Promise<void> {
    while (performance.now() < endMs) {
      const fault = lane.next().value as Fault;
      this.print(describe(fault));
      this.faults.set(nameOf(fault), (this.faults.get(nameOf(fault)) ?? 0) + 1);
      if (!(await suffer(this.world, fault))) this.idleFaults += 1;
    }
  }

  /** Waits until everything is settled, then compares. */
  private async rest(): Promise<void> {
    const { watched } = this.world;
    const calmMs = performance.now();
    this.print(`calm: ${watched.writer.changes.length} changes written`);
    try {
      await eventually('everything is settled', () => isAtRest(watched), { withinMs: REST_MS, everyMs: 250 });
      this.difference = await compareIndex(watched);
      await this.exorcise();
      this.restMs.push(performance.now() - calmMs);
      await this.compareStores();
    } catch (error) {
      this.problems.push(wordsOf(error));
      this.difference = await compareIndex(watched).catch(() => this.difference);
    }
    this.problems.push(...this.difference.problems);
    const seconds = ((performance.now() - calmMs) / 1000).toFixed(1);
    this.print(`compared after ${seconds} s: ${this.problems.length} problems`);
  }

  /**
   * What is settled must be right at once, but for deletes that Elasticsearch has forgotten: a late older write may have
   * brought a document back, until sluice looks at the delete again.
   */
  private async exorcise(): Promise<void> {
    const { extra, missing, problems, stale, wrong } = this.difference;
    this.ghosts += extra;
    if (extra === 0 || missing + stale + wrong > 0) return;
    this.print(`${extra} deleted keys are back: ${problems[0]}`);
    const areGone = async (): Promise<boolean> => {
      this.difference = await compareIndex(this.world.watched);
      return this.difference.extra === 0;
    };
    await eventually('ghosts are gone', areGone, { withinMs: GHOST_MS, everyMs: 1000 }).catch(() => undefined);
  }

  private async compareStores(): Promise<void> {
    const { watched } = this.world;
    let store: string[] = [];
    const isRight = async (): Promise<boolean> => {
      store = await compareStore(watched);
      return store.length === 0;
    };
    // Positions are mirrored once a second.
    await eventually('the store is at the end', isRight, { withinMs: 10_000, everyMs: 250 }).catch(() => undefined);
    const journal = await compareJournal(watched);
    this.changesInGaps = journal.inGaps;
    this.problems.push(...store, ...journal.problems);
  }

  /** Takes samples of metrics, memory and lag while something goes on. */
  private async watchedDuring(work: () => Promise<unknown>): Promise<void> {
    const ended = new AbortController();
    const sampling = this.sample(ended.signal);
    try {
      await work();
    } finally {
      ended.abort();
      await sampling;
    }
  }

  private async sample(signal: AbortSignal): Promise<void> {
    const { instances, watched } = this.world;
    while (!signal.aborted) {
      const asked = lag(watched).then(
        (records) => {
          this.maxLag = Math.max(this.maxLag, records);
        },
        () => undefined, // the broker is away
      );
      await Promise.all([asked, ...instances.map((instance) => instance.sample())]);
      await delay(SAMPLE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  report(): Report {
    const { options, world } = this;
    const { ledger, oddExits, watched } = world;
    const { changes, ends, expected } = watched.writer;
    const count = [...this.faults.values()].reduce((sum, one) => sum + one, 0);
    const records = ends.reduce((sum, end) => sum + end, 0);
    const problems = [...this.problems];
    for (const { code, instance, reason } of oddExits) {
      if (!ADMITTED_EXITS.has(reason)) problems.push(`instance ${instance} ended with ${reason} (exit ${code})`);
    }
    if (count < (options.leastFaults ?? 0)) problems.push(`${count} faults, fewer than ${options.leastFaults}`);
    if (ledger.peakResidentBytes > MOST_RESIDENT_BYTES) problems.push('an instance took more than 512 MiB');
    return {
      seed: options.seed,
      minutes: options.minutes,
      rounds: this.restMs.length,
      settings: world.settings,
      records,
      changes: changes.length,
      keys: expected.size,
      deletedKeys: [...expected.values()].filter(({ document }) => document === null).length,
      faults: this.faults,
      idleFaults: this.idleFaults,
      replays: Math.max(0, ledger.total('sluice_records_received_total') - records),
      conflicts: ledger.total('sluice_bulk_items_total', 'outcome="conflict"'),
      unknown: ledger.total('sluice_bulk_items_total', 'outcome="retry"'),
      parked: ledger.total('sluice_parked_total'),
      gapRuns: ledger.total('sluice_journal_gaps_total'),
      changesInGaps: this.changesInGaps,
      deletesRepeated: ledger.total('sluice_deletes_repeated_total'),
      ghosts: this.ghosts,
      rebalances: ledger.total('sluice_rebalances_total'),
      maxLag: this.maxLag,
      restMs: this.restMs,
      difference: this.difference,
      peakResidentBytes: ledger.peakResidentBytes,
      oddExits,
      problems,
    };
  }

  private print(line: string): void {
    const seconds = ((performance.now() - this.startedMs) / 1000).toFixed(1);
    this.options.print(`${seconds.padStart(7)} s  ${line}`);
  }
}

function describe(fault: Fault): string {
  const who = 'instance' in fault ? ` of instance ${fault.instance}` : '';
  const how = fault.kind === 'restart' ? (fault.isCrash ? ' (SIGKILL)' : ' (SIGTERM)') : '';
  return `${nameOf(fault)}${how}${who}, ${(fault.forMs / 1000).toFixed(1)} s`;
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
