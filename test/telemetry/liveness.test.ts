import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplaySubject, Subject } from 'rxjs';
import type { RecordBatch } from '../../src/pipeline/change.ts';
import { type Health, health } from '../../src/pipeline/health.ts';
import type { Assignment, IndexWrite, Outcome, RecordFormat, Store } from '../../src/pipeline/ports.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { pipelineOf } from '../../src/pipeline/run-service.ts';
import { DEFAULT_OPTIONS } from '../../src/pipeline/stages.ts';
import { telemetry } from '../../src/pipeline/telemetry.ts';
import { noBuffer } from '../../src/sinks/no-buffer.ts';
import { changeAt, newTable } from '../conformance/store-samples.ts';
import { SteadyClock } from '../pipeline/steady-clock.ts';
import { recordedLog } from './recorded-log.ts';

const STUCK_MS = 1_200_000;
const HOUR_MS = 3_600_000;

const never = (): Promise<never> => new Promise(() => undefined);
const answered = async (): Promise<void> => undefined;

type Write = (writes: readonly IndexWrite[]) => Promise<readonly Outcome[]>;

interface Servers {
  readonly write?: Write;
  readonly append?: () => Promise<void>;
  readonly park?: () => Promise<void>;
}

/** The whole pipeline and what judges it, reading a record a second of one partition. */
class Judged {
  readonly clock = new SteadyClock();
  readonly log = new PartitionLog('shop', 0, 0);
  readonly health: Health;
  private readonly records = new Subject<RecordBatch>();
  private readonly end: () => void;

  constructor({ append = answered, park = answered, write = done }: Servers) {
    const { clock, log, records } = this;
    const table = newTable();
    const assignments = new ReplaySubject<Assignment>(1);
    assignments.next({ generation: 1, partitions: [log] });
    const format: RecordFormat = {
      parse: ({ ticket }) => {
        const change = changeAt(table, `k${ticket.firstOffset % 5}`, ticket.firstOffset);
        return { changes: [change], rejected: [], skipped: new Map(), notices: [] };
      },
    };
    const store = {
      append,
      park,
      recordGaps: append,
      pair: async (index: string, name: string, topic: string) => ({ index, table: name, topic }),
      positions: async () => [],
      savePositions: answered,
      parkedCount: async () => 0,
      letterCount: async () => 0,
      parked: async () => ({ keys: [], cursor: null }),
      redrives: async () => [],
      unpark: async () => 0,
      deletesBetween: async () => ({ deletes: [], cursor: null }),
      addMonitorRows: answered,
      purge: async () => 0,
    } as unknown as Store;
    const isUp = write === done;
    const index = {
      write,
      versions: async () => [],
      incarnation: async () => 'only one',
      ping: isUp ? answered : () => Promise.reject(new Error('away')),
    };
    const inFlight = new InFlight({ bytes: 1 << 27, changes: 1 << 20 });
    const gauges = { inFlight, logs: () => [log], bufferSize: async () => 0, parkedCount: async () => 0 };
    const watching = telemetry({ log: recordedLog().log, gauges, processMetrics: false, scheduler: clock });
    const { dependencies } = watching;
    this.health = health({
      dependencies,
      inFlight,
      logs: () => [log],
      unread: watching.unread,
      stuckMs: STUCK_MS,
      scheduler: clock,
    });
    const report = (event: Parameters<Health['report']>[0]): void => {
      watching.report(event);
      this.health.report(event);
    };
    const parts = { source: { records, assignments }, format, buffer: noBuffer(), store, index, inFlight, report };
    const running = pipelineOf({ ...parts, scheduler: clock }, DEFAULT_OPTIONS).subscribe();
    this.end = () => {
      running.unsubscribe();
      watching.stop();
      this.health.stop();
    };
  }

  /** Reads on for so long; returns how long it was live, milliseconds. */
  async liveFor(ms: number): Promise<number> {
    const fromMs = this.clock.now();
    while (this.clock.now() < fromMs + ms && this.health.live().isOk) {
      const offset = this.log.read;
      const ticket = this.log.admit(offset, offset + 1, null);
      this.records.next({ topic: 'shop', partition: 0, epoch: 0, records: [], ticket });
      await this.clock.pass(1000, 500);
    }
    const liveMs = this.clock.now() - fromMs;
    this.end();
    return liveMs;
  }
}

async function done(writes: readonly IndexWrite[]): Promise<Outcome[]> {
  return writes.map(() => ({ kind: 'done', conflict: false }));
}

function always(outcome: Outcome): Write {
  return async (writes) => writes.map(() => outcome);
}

for (const [what, servers] of [
  ['a store that never answers an append', { append: never }],
  ['an index that never answers', { write: never }],
  [
    'a parking that never ends',
    { park: never, write: always({ kind: 'hold', scope: 'index', errorType: 'cluster_block_exception' }) },
  ],
] as const) {
  test(`${what} makes a process that goes on reading be restarted`, async () => {
    const judged = new Judged(servers);
    const liveMs = await judged.liveFor(2 * HOUR_MS);
    assert.ok(liveMs >= STUCK_MS && liveMs < STUCK_MS + 120_000, `${liveMs} ms`);
    assert.equal(judged.health.live().body.stuckPartitions, 1);
  });
}

for (const [what, outcome] of [
  ['an index that is down', { kind: 'retry', errorType: 'timeout', isOverload: false, retryAfterMs: null }],
  ['an index that takes nothing', { kind: 'hold', scope: 'index', errorType: 'cluster_block_exception' }],
  ['wrong credentials', { kind: 'hold', scope: 'all', errorType: 'security_exception' }],
] as const) {
  test(`${what} is waited for, with keys parked, without a restart`, async () => {
    const judged = new Judged({ write: always(outcome) });
    assert.ok((await judged.liveFor(2 * HOUR_MS)) >= 2 * HOUR_MS);
    assert.ok(judged.log.settled > 7000, 'positions move on');
  });
}

test('a store that says it is down is waited for without a restart, though positions stand still', async () => {
  const append = () => Promise.reject(new Error('connection refused'));
  const judged = new Judged({ append });
  assert.ok((await judged.liveFor(2 * HOUR_MS)) >= 2 * HOUR_MS);
  assert.equal(judged.log.settled, 0);
});
