import assert from 'node:assert/strict';
import { test } from 'node:test';
import { of, Subject } from 'rxjs';
import type { RecordBatch } from '../../src/pipeline/change.ts';
import { SluiceError } from '../../src/pipeline/errors.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { LONGEST_CLOSE_MS, runService, type Service } from '../../src/pipeline/run-service.ts';
import { DEFAULT_OPTIONS, type Parts } from '../../src/pipeline/stages.ts';
import { noBuffer } from '../../src/sinks/no-buffer.ts';
import { changeAt, newTable } from '../conformance/store-samples.ts';
import { SteadyClock } from './steady-clock.ts';

const never = (): Promise<never> => new Promise(() => undefined);

/** A service whose servers have stopped answering: nothing that it asks for at its end comes, but what `answers` gives. */
class HangingService {
  readonly clock = new SteadyClock();
  readonly records = new Subject<RecordBatch>();
  readonly log = new PartitionLog('shop', 0, 0);
  /** The adapters asked to close, in order. */
  readonly closed: string[] = [];
  readonly service: Service;
  outcome: 'running' | 'done' | Error = 'running';

  constructor({ drainMs = 1000, commit = never, indexClose = never, storeClose = never } = {}) {
    const { clock, closed, log, records } = this;
    const closes = (name: string, close: () => Promise<void>) => ({
      close: () => {
        closed.push(name);
        return close();
      },
    });
    const answered = async (): Promise<void> => undefined;
    const isQuick = storeClose !== never;
    const parts = {
      source: {
        records,
        assignments: of({ generation: 1, partitions: [log] }),
        stop: () => records.complete(),
        commit,
        ...closes('source', isQuick ? answered : never),
      },
      format: {
        parse: () => ({ changes: [changeAt(newTable(), 'k', 0)], rejected: [], skipped: new Map(), notices: [] }),
      },
      buffer: { ...noBuffer(), ...closes('buffer', isQuick ? answered : never) },
      index: { write: never, versions: never, incarnation: never, ping: never, ...closes('index', indexClose) },
      store: {
        append: answered,
        pair: async (index: string, table: string, topic: string) => ({ index, table, topic }),
        positions: never,
        parkedCount: async () => 0,
        letterCount: async () => 0,
        parked: async () => ({ keys: [], cursor: null }),
        redrives: async () => [],
        setLetterState: answered,
        ...closes('store', storeClose),
      },
      inFlight: new InFlight({ bytes: 1 << 30, changes: 1000 }),
      report: () => undefined,
      scheduler: clock,
    } as unknown as Parts;
    this.service = runService(parts, { ...DEFAULT_OPTIONS, drainMs });
    this.service.done.then(
      () => {
        this.outcome = 'done';
      },
      (error) => {
        this.outcome = error;
      },
    );
  }

  /** One record with one change, which the index never takes. */
  read(): void {
    const ticket = this.log.admit(0, 1, null);
    this.records.next({ topic: 'shop', partition: 0, epoch: 0, records: [], ticket });
  }
}

test('a stop ends in time although no server answers any more, and says that the position may not be committed', async () => {
  const running = new HangingService();
  running.service.stop();
  await running.clock.pass(LONGEST_CLOSE_MS);
  assert.ok(running.outcome instanceof SluiceError);
  assert.equal(running.outcome.code, 'E2001');
  assert.deepEqual(running.closed, ['source', 'buffer', 'index', 'store']);
});

test('a stop whose commit was answered ends well and in time although nothing closes', async () => {
  const running = new HangingService({ commit: async () => undefined as never });
  running.read();
  await running.clock.pass(10_000);
  running.service.stop();
  await running.clock.pass(1000 + LONGEST_CLOSE_MS);
  assert.equal(running.outcome, 'done');
  assert.deepEqual(running.closed, ['source', 'buffer', 'index', 'store']);
});

test('a stream that fails is told of in time although nothing closes', async () => {
  const running = new HangingService();
  running.records.error(new SluiceError('E2003', 'the position lies outside the log'));
  await running.clock.pass(LONGEST_CLOSE_MS);
  assert.ok(running.outcome instanceof SluiceError);
  assert.equal(running.outcome.code, 'E2003');
});

test('input that ends by itself is closed however long that takes', async () => {
  let finish = (): void => undefined;
  const running = new HangingService({
    commit: async () => undefined as never,
    indexClose: () =>
      new Promise<never>((resolve) => {
        finish = resolve as () => void;
      }),
    storeClose: async () => undefined as never,
  });
  running.records.complete();
  await running.clock.pass(3_600_000, 10_000);
  assert.equal(running.outcome, 'running');
  finish();
  await running.clock.pass(1000);
  assert.equal(running.outcome, 'done');
});

test('a drain may last as long as is configured, also longer than by default', async () => {
  const drainMs = 3 * DEFAULT_OPTIONS.drainMs;
  const running = new HangingService({ drainMs, commit: async () => undefined as never });
  running.read();
  running.service.stop();
  await running.clock.pass(drainMs);
  assert.equal(running.outcome, 'running');
  await running.clock.pass(LONGEST_CLOSE_MS);
  assert.equal(running.outcome, 'done');
});
