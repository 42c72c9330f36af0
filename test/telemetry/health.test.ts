import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/pipeline/change.ts';
import { Dependencies } from '../../src/pipeline/dependencies.ts';
import type { PipelineEvent } from '../../src/pipeline/events.ts';
import { health } from '../../src/pipeline/health.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { VirtualClock } from './virtual-clock.ts';

const LIVENESS_MS = 120_000;
const STUCK_MS = 1_200_000;
const orders: Table = {
  database: 'shop',
  name: 'orders',
  qualified: 'shop.orders',
  index: 'shop_orders',
  mapping: null,
};

function started() {
  const clock = new VirtualClock();
  const inFlight = new InFlight({ bytes: 1000, changes: 10 });
  const dependencies = new Dependencies(['kafka', 'buffer', 'store', 'index'], () => clock.now());
  const log = new PartitionLog('shop', 0, 0, inFlight);
  const state = { unread: 0, logs: [log] };
  const logs = () => state.logs;
  const unread = (one: PartitionLog): number => (one.partition === 0 ? state.unread : 0);
  const subject = health({ dependencies, inFlight, logs, unread, scheduler: clock });
  const admit = (to = log): { settle: () => void } => {
    const ticket = to.admit(to.read, to.read + 10, { offset: to.read + 9, timestampMs: clock.now(), hash: '' });
    return {
      settle: () => {
        ticket.release();
        ticket.journaled();
      },
    };
  };
  /** Lets time pass in which other partitions get on. */
  const busyFor = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      subject.report({ type: 'journaled', changes: 1, ms: 1 });
      clock.advance(10_000);
    }
  };
  return { admit, busyFor, clock, dependencies, log, state, subject };
}

test('an idle process is live for ever', () => {
  const { clock, subject } = started();
  clock.advance(100 * LIVENESS_MS);
  assert.ok(subject.live().isOk);
  subject.stop();
});

test('a process with work and no progress is not live after two minutes, and live again when it gets on', () => {
  const { admit, clock, subject } = started();
  clock.advance(10 * LIVENESS_MS);
  const batch = admit();
  clock.advance(LIVENESS_MS - 11_000);
  assert.ok(subject.live().isOk, 'work that comes after a long idle time has the whole span');
  clock.advance(22_000);
  assert.equal(subject.live().isOk, false);
  assert.equal(subject.live().body.status, 'stalled');
  subject.report({ type: 'parked', keys: 1 });
  assert.ok(subject.live().isOk);
  clock.advance(2 * LIVENESS_MS);
  assert.equal(subject.live().isOk, false);
  batch.settle();
  assert.ok(subject.live().isOk);
  subject.stop();
});

test('records that wait unread while nothing is fetched are work too', () => {
  const { clock, state, subject } = started();
  state.unread = 100;
  clock.advance(LIVENESS_MS + 20_000);
  assert.equal(subject.live().isOk, false);
  subject.reportSource({ type: 'fetched', topic: 'shop', partition: 0, records: 1, bytes: 1, end: 100 });
  assert.ok(subject.live().isOk);
  subject.stop();
});

test('an index that is down does not make the process dead: a restart would not bring it back', () => {
  const retried: PipelineEvent[] = [
    { type: 'retrying', table: orders, errorType: 'connection', keys: 1, attempt: 1, waitMs: 1 },
    { type: 'held', table: null, errorType: 'security_exception', forMs: 5000 },
    { type: 'parked', keys: 5 },
  ];
  const unanswered: PipelineEvent = {
    type: 'bulk',
    table: orders,
    documents: 1,
    ms: 30_000,
    done: 0,
    conflicts: 0,
    retries: 1,
    held: 0,
    rejected: 0,
  };
  for (const event of retried) {
    const { admit, clock, dependencies, subject } = started();
    admit();
    dependencies.hear(unanswered);
    for (let minute = 0; minute < 60; minute += 1) {
      subject.report(event);
      clock.advance(60_000);
      assert.ok(subject.live().isOk, event.type);
    }
    subject.stop();
  }
});

test('while a server is known to be down the process may wait as long as it takes', () => {
  const { admit, clock, dependencies, subject } = started();
  admit();
  dependencies.set('store', false, 'E4001');
  clock.advance(100 * LIVENESS_MS);
  assert.ok(subject.live().isOk);
  dependencies.set('store', true);
  clock.advance(LIVENESS_MS - 11_000);
  assert.ok(subject.live().isOk, 'and has the whole span once it is back');
  clock.advance(LIVENESS_MS);
  assert.equal(subject.live().isOk, false);
  subject.stop();
});

test('a failure that is only told is no progress', () => {
  const { admit, clock, subject } = started();
  admit();
  for (let second = 0; second <= LIVENESS_MS / 1000 + 20; second += 1) {
    subject.report({ type: 'notice', kind: 'x', table: '', detail: '', topic: 'shop', partition: 0, offset: 0 });
    clock.advance(1000);
  }
  assert.equal(subject.live().isOk, false);
  subject.stop();
});

test('ready needs an assignment and one answer of every required server, in any order, and ends with the stop signal', () => {
  const steps = ['assigned', 'kafka', 'store', 'index'] as const;
  fc.assert(
    fc.property(fc.shuffledSubarray([...steps], { minLength: steps.length }), (order) => {
      const { dependencies, subject } = started();
      for (const step of order) {
        assert.equal(subject.ready().isOk, false);
        if (step === 'assigned') subject.assigned();
        else dependencies.set(step, true);
      }
      assert.deepEqual(subject.ready(), { isOk: true, body: { status: 'ready', failing: [] } });
      dependencies.set('index', false, 'E3001');
      assert.ok(subject.ready().isOk, 'a server that goes away later makes nobody unready');
      subject.stopping();
      assert.deepEqual(subject.ready().body, { status: 'not ready', failing: [{ check: 'not-stopping' }] });
      subject.stop();
    }),
  );
});

test('what is missing for ready is listed with its code', () => {
  const { dependencies, subject } = started();
  dependencies.set('kafka', true);
  dependencies.set('store', false, 'E4001');
  dependencies.set('buffer', false, 'E5001');
  assert.deepEqual(subject.ready().body.failing, [
    { check: 'assignment' },
    { check: 'store', code: 'E4001' },
    { check: 'index' },
  ]);
  subject.stop();
});

test('details tell each server, since when, and never a host', () => {
  const { admit, clock, dependencies, subject } = started();
  clock.advance(1000);
  dependencies.set('store', false, 'E4001', 'connect ECONNREFUSED db.internal:3306');
  admit();
  clock.advance(2000);
  const { body } = subject.details();
  const servers = body.dependencies as Record<string, unknown>;
  assert.deepEqual(servers.store, { status: 'down', since: '1970-01-01T00:00:01.000Z', code: 'E4001' });
  assert.deepEqual(servers.kafka, { status: 'unknown', since: '1970-01-01T00:00:00.000Z' });
  assert.deepEqual(body.partitions, { assigned: 1, unsettledRecords: 10, unreadRecords: 0, oldestUnsettledSeconds: 2 });
  assert.equal(body.uptimeSeconds, 3);
  assert.doesNotMatch(JSON.stringify(body), /db\.internal/);
  subject.stop();
});

test('a partition whose position stands still with work is told of, though others get on', () => {
  const { admit, busyFor, state, subject } = started();
  const other = new PartitionLog('shop', 1, 0);
  state.logs.push(other);
  const stuck = admit();
  for (let passed = 0; passed < STUCK_MS - 60_000; passed += 60_000) {
    admit(other).settle();
    busyFor(60_000);
    assert.ok(subject.live().isOk);
  }
  busyFor(120_000);
  const { body, isOk } = subject.live();
  assert.equal(isOk, false);
  assert.deepEqual([body.status, body.stuckPartitions], ['stalled', 1]);
  stuck.settle();
  assert.ok(subject.live().isOk, 'and live again when it moves');
  subject.stop();
});

test('a partition that is never read, with records that wait, stands still too', () => {
  const { busyFor, state, subject } = started();
  state.unread = 2;
  busyFor(STUCK_MS + 30_000);
  assert.equal(subject.live().isOk, false);
  state.unread = 0;
  assert.ok(subject.live().isOk);
  subject.stop();
});

test('an assignment that leaves a position where it was is no progress, and one that is taken away and comes back is new', () => {
  const { admit, busyFor, log, state, subject } = started();
  admit();
  for (let generation = 0; generation < 4; generation += 1) {
    busyFor(STUCK_MS / 4);
    log.retire();
    const next = new PartitionLog('shop', 0, 0);
    state.logs = [next];
    admit(next);
  }
  busyFor(20_000);
  assert.equal(subject.live().isOk, false);
  const own = state.logs;
  state.logs = [];
  busyFor(20_000);
  state.logs = own;
  busyFor(STUCK_MS / 2);
  assert.ok(subject.live().isOk);
  subject.stop();
});

test('a position that waits for a server that is down is not stuck, and has the whole span once the server is back', () => {
  const { admit, busyFor, dependencies, subject } = started();
  admit();
  busyFor(STUCK_MS - 30_000);
  dependencies.set('store', false, 'E4001');
  busyFor(3 * STUCK_MS);
  assert.ok(subject.live().isOk);
  dependencies.set('store', true);
  busyFor(STUCK_MS - 30_000);
  assert.ok(subject.live().isOk);
  busyFor(60_000);
  assert.equal(subject.live().isOk, false);
  subject.stop();
});

test('Redis that is down excuses nobody: nothing waits for it', () => {
  const { admit, clock, dependencies, subject } = started();
  dependencies.set('buffer', false, 'E5001');
  admit();
  clock.advance(LIVENESS_MS + 20_000);
  assert.equal(subject.live().isOk, false);
  subject.stop();
});
