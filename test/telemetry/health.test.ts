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
  const state = { unread: 0 };
  const logs = () => [log];
  const subject = health({ dependencies, inFlight, logs, unread: () => state.unread, scheduler: clock });
  const admit = (): { settle: () => void } => {
    const ticket = log.admit(log.read, log.read + 10, { offset: log.read + 9, timestampMs: clock.now(), hash: '' });
    return {
      settle: () => {
        ticket.release();
        ticket.journaled();
      },
    };
  };
  return { admit, clock, dependencies, state, subject };
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
  for (const event of retried) {
    const { admit, clock, subject } = started();
    admit();
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
