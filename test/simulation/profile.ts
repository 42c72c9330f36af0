import { DEFAULT_OPTIONS, type SyncOptions } from '../../src/pipeline/stages.ts';
import { Random } from './random.ts';
import type { Routing } from './upstream.ts';

/** Everything that may be done to a run. Each run has a part of them, so that rare pairs meet. */
export const FAULTS = [
  'crash',
  'pause',
  'stop',
  'scale',
  'kafka-cut',
  'kafka-down',
  'redis',
  'journal-down',
  'store-down',
  'index-down',
  'index-red',
  'index-overload',
  'index-answers',
  'index-auth',
  'index-restart',
  'lossy-store',
  'lossy-index',
  'lossy-kafka',
  'rewind',
  'clock',
  'recreate',
  'add-partition',
  'reroute',
  'redrive',
  'retention',
  'crash-at-call',
] as const;
export type Fault = (typeof FAULTS)[number];

/** One run, drawn from its seed. */
export interface Profile {
  readonly seed: number;
  readonly routing: Routing;
  readonly tables: readonly string[];
  readonly keys: readonly string[];
  readonly partitions: number;
  readonly shards: number;
  readonly instances: number;
  readonly records: number;
  readonly poison: number;
  /** How long changes and faults come, milliseconds. */
  readonly busyMs: number;
  readonly faults: ReadonlySet<Fault>;
  /** Faults that are begun. */
  readonly disturbances: number;
  /** The longest that an instance sleeps or a request is under way: half of what is admitted. */
  readonly maxPauseMs: number;
  /** The index forgets deletes, and checks have to find what came back. */
  readonly isForgetful: boolean;
  /** Instances sleep almost as long as they may. */
  readonly isPatient: boolean;
  readonly inFlight: { readonly bytes: number; readonly changes: number };
  readonly commitMs: number;
  readonly fetchRecords: number;
  readonly options: SyncOptions;
}

/** Topologies of which a run has at most one: each changes what the log is. */
const REBUILDS: readonly Fault[] = ['recreate', 'add-partition', 'reroute'];

export function profileOf(seed: number): Profile {
  const random = new Random(seed);
  const isForgetful = random.chance(0.25);
  const faults = new Set<Fault>(FAULTS.filter((fault) => !REBUILDS.includes(fault) && random.chance(0.35)));
  if (!isForgetful) faults.delete('index-restart');
  else if (random.chance(0.7)) faults.add('index-restart');
  let routing = random.pick<Routing>(['topic-per-table', 'by-key', 'by-table']);
  if (random.chance(0.15)) {
    const rebuild = random.pick(REBUILDS);
    faults.add(rebuild);
    if (rebuild === 'add-partition') routing = 'by-key';
    if (rebuild === 'reroute') routing = 'topic-per-table';
  }
  // Sleepers that wake when every quick check has long passed: only the last one, by R, finds what they bring back.
  const isPatient = isForgetful && random.chance(0.25);
  if (isPatient) faults.add('pause').add('index-restart');
  const tables = random.chance(0.5) || routing === 'by-table' || faults.has('reroute') ? ['a', 'b'] : ['a'];
  const pauseLimitMs = isPatient ? 1_000_000 : isForgetful ? 240_000 : DEFAULT_OPTIONS.pauseLimitMs;
  const window = random.pick([200, 1000, 3000]);
  return {
    seed,
    routing,
    tables,
    keys: ['k', 'l', 'm', 'n', 'o'].slice(0, random.between(2, 5)),
    partitions: routing === 'topic-per-table' ? 1 : routing === 'by-table' ? 2 : random.between(1, 3),
    shards: random.between(1, 2),
    instances: isPatient ? random.between(2, 3) : random.pick([1, 1, 2, 2, 3]),
    records: random.between(10, 50),
    poison: random.chance(0.4) ? random.pick([0.15, 0.5]) : 0,
    busyMs: random.pick([5000, 15_000, 40_000]),
    faults,
    disturbances: isPatient ? random.between(3, 10) : random.between(0, 10),
    maxPauseMs: isForgetful ? pauseLimitMs * 0.45 : random.pick([5000, 60_000]),
    isForgetful,
    isPatient,
    inFlight: random.pick([
      { bytes: 1 << 20, changes: 10_000 },
      { bytes: 24_000, changes: 40 },
      { bytes: 12_000, changes: 12 },
    ]),
    commitMs: isPatient ? 5000 : isForgetful ? 2000 : 500,
    fetchRecords: random.pick([1, 3, 20]),
    options: {
      ...DEFAULT_OPTIONS,
      window: {
        ms: window,
        maxKeys: random.pick([3, 200_000]),
        maxBytes: 12_000,
        parkAfterWindows: random.between(1, 8),
      },
      batch: { documents: random.pick([1, 3, 1000]), bytes: 5 << 20 },
      slots: random.between(1, 3),
      maxAttempts: random.between(1, 3),
      backoff: { firstMs: 100, maxMs: 2000 },
      holdMs: random.pick([500, 5000]),
      journalChanges: random.chance(0.85) ? 'all' : 'none',
      drainMs: 5000,
      sweepMs: random.pick([2000, 10_000]),
      pauseLimitMs,
      gcDeletesMs: isForgetful ? 100_000 : DEFAULT_OPTIONS.gcDeletesMs,
    },
  };
}
