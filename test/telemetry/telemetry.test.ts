import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import type { Table } from '../../src/pipeline/change.ts';
import type { PipelineEvent } from '../../src/pipeline/events.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { COUNTERS, GAUGES, HISTOGRAMS, type Series } from '../../src/pipeline/series.ts';
import { type Telemetry, type TelemetryOptions, telemetry } from '../../src/pipeline/telemetry.ts';
import { recordedLog } from './recorded-log.ts';
import { VirtualClock } from './virtual-clock.ts';

const ALL: readonly Series[] = [...Object.values(COUNTERS), ...Object.values(HISTOGRAMS), ...Object.values(GAUGES)];

function tableOf(name: string): Table {
  return { database: 'shop', name, qualified: `shop.${name}`, index: `shop_${name}`, mapping: null };
}
const orders = tableOf('orders');

function started(options: Partial<TelemetryOptions> = {}) {
  const clock = new VirtualClock();
  const { lines, log } = recordedLog();
  const logs: PartitionLog[] = [];
  const gauges = {
    inFlight: new InFlight({ bytes: 1000, changes: 10 }),
    logs: () => logs,
    bufferSize: () => Promise.resolve(7),
    parkedCount: () => Promise.resolve(3),
  };
  const subject = telemetry({ log, gauges, scheduler: clock, processMetrics: false, ...options });
  return { clock, gauges, lines, logs, subject };
}

/** The value of one sample, or undefined when it is not in the scrape. */
async function sample(
  subject: Telemetry,
  name: string,
  labels: Record<string, string> = {},
): Promise<number | undefined> {
  const metrics = await subject.registry.getMetricsAsJSON();
  for (const metric of metrics) {
    for (const one of metric.values as { value: number; labels: Record<string, unknown>; metricName?: string }[]) {
      const isNamed = (one.metricName ?? metric.name) === name;
      if (isNamed && Object.entries(labels).every(([label, value]) => String(one.labels[label]) === value))
        return one.value;
    }
  }
  return undefined;
}

const parsed = (more: Partial<Extract<PipelineEvent, { type: 'parsed' }>> = {}): PipelineEvent => ({
  type: 'parsed',
  topic: 'shop',
  partition: 0,
  records: 10,
  inserts: 5,
  updates: 3,
  deletes: 1,
  rejected: 1,
  skipped: new Map([['ddl', 2]]),
  ...more,
});
const bulk = (more: Partial<Extract<PipelineEvent, { type: 'bulk' }>> = {}): PipelineEvent => ({
  type: 'bulk',
  table: orders,
  documents: 10,
  ms: 40,
  done: 7,
  conflicts: 1,
  retries: 2,
  held: 0,
  rejected: 1,
  ...more,
});

test('docs/metrics.md lists every series of a scrape, and a scrape has every series listed', async () => {
  const { subject } = started();
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \| (.*) \|$/gm)];
  const listed = rows.map(
    ([, name, type, labels, help]) => `${name} ${type} ${labels?.replaceAll(/[`\s]/g, '')} ${help}`,
  );
  const scraped = (await subject.registry.getMetricsAsJSON()).map(({ help, name, type }) => {
    const labels = ALL.find((series) => series.name === name)?.labels ?? [];
    return `${name} ${String(type)} ${labels.join(',')} ${help}`;
  });
  assert.deepEqual(listed.sort(), scraped.sort());
  subject.stop();
});

test('every name keeps to the rules of Prometheus, and the four of the request are there', () => {
  for (const { name } of ALL) assert.match(name, /^(buffer|sluice)_[a-z_]+$/);
  for (const { name } of Object.values(COUNTERS)) assert.match(name, /_total$/);
  for (const { name } of Object.values(HISTOGRAMS)) assert.match(name, /_seconds$/);
  const names = new Set(ALL.map(({ name }) => name));
  assert.equal(names.size, ALL.length);
  for (const name of [
    'buffer_size',
    'buffer_sync_success_total',
    'buffer_sync_failure_total',
    'buffer_sync_latency_seconds',
  ]) {
    assert.ok(names.has(name), name);
  }
});

test('series are there with 0 before anything has happened', async () => {
  const { subject } = started();
  for (const { known, labels = [], name } of Object.values<Series>(COUNTERS)) {
    if (labels.length === 0) assert.equal(await sample(subject, name), 0, name);
    for (const one of known ?? []) assert.equal(await sample(subject, name, one), 0, name);
  }
  for (const name of ['kafka', 'buffer', 'store', 'index']) {
    assert.equal(await sample(subject, 'sluice_dependency_up', { name }), 0);
    assert.equal(await sample(subject, 'sluice_dependency_errors_total', { name }), 0);
  }
  assert.equal(await sample(subject, 'buffer_sync_latency_seconds_count'), 0);
  subject.stop();
});

test('events are counted where docs/metrics.md says', async () => {
  const { subject } = started();
  const settled = { upserts: 5, deletes: 2, rejected: 1, oldestTimestampMs: 1000, newestTimestampMs: 2000, atMs: 4500 };
  const events: PipelineEvent[] = [
    parsed(),
    parsed({ skipped: new Map([['unrouted', 4]]) }),
    { type: 'buffered', changes: 9, ms: 2 },
    { type: 'journaled', changes: 8, ms: 3 },
    { type: 'window', cause: 'time', changes: 100, superseded: 40, keys: 60, bytes: 5000 },
    { type: 'window', cause: 'cap', changes: 10, keys: 60, bytes: 6000, superseded: 4 },
    bulk(),
    { type: 'superseded-in-flight', keys: 6 },
    { type: 'retrying', table: orders, errorType: 'timeout', keys: 2, attempt: 1, waitMs: 10 },
    { type: 'parked', keys: 11 },
    { type: 'recovered', topic: 'shop', partition: 0, keys: 12, left: 0 },
    { type: 'dead-lettered', reason: 'not-json', table: '', count: 2 },
    { type: 'settled', table: orders, ...settled },
    { type: 'notice', kind: 'truncate', table: 'shop.orders', detail: '', topic: 'shop', partition: 0, offset: 1 },
    { type: 'deletes-checked', topic: 'shop', partition: 0, checked: 5, repeated: 1 },
    { type: 'journal-gap', topic: 'shop', partition: 0, from: 10, to: 19 },
  ];
  for (const event of events) subject.report(event);
  const expected: [string, Record<string, string>, number][] = [
    ['sluice_records_received_total', { topic: 'shop' }, 20],
    ['sluice_changes_received_total', { topic: 'shop', op: 'insert' }, 10],
    ['sluice_changes_received_total', { topic: 'shop', op: 'delete' }, 2],
    ['sluice_skipped_total', { reason: 'ddl' }, 2],
    ['sluice_skipped_total', { reason: 'unrouted' }, 4],
    ['sluice_changes_buffered_total', {}, 9],
    ['sluice_changes_journaled_total', {}, 8],
    ['sluice_windows_total', { cause: 'cap' }, 1],
    ['sluice_window_changes_total', {}, 110],
    ['sluice_coalesced_total', {}, 40 + 4 + 6],
    ['sluice_window_keys', {}, 60],
    ['sluice_window_bytes', {}, 6000],
    ['buffer_sync_success_total', {}, 7],
    ['buffer_sync_failure_total', {}, 3],
    ['sluice_bulk_items_total', { outcome: 'done' }, 6],
    ['sluice_bulk_items_total', { outcome: 'conflict' }, 1],
    ['sluice_bulk_items_total', { outcome: 'retry' }, 2],
    ['sluice_bulk_items_total', { outcome: 'rejected' }, 1],
    ['sluice_bulk_request_seconds_sum', {}, 0.04],
    ['sluice_superseded_in_flight_total', {}, 6],
    ['sluice_retries_total', {}, 2],
    ['sluice_parked_total', {}, 11],
    ['sluice_recovered_total', {}, 12],
    ['sluice_dead_lettered_total', { reason: 'not-json' }, 2],
    ['sluice_indexed_total', { table: 'shop.orders', op: 'upsert' }, 5],
    ['sluice_indexed_total', { table: 'shop.orders', op: 'delete' }, 2],
    ['sluice_commit_to_index_seconds_sum', { table: 'shop.orders' }, 3.5],
    ['buffer_sync_latency_seconds_sum', {}, 3.5],
    ['sluice_last_settled_timestamp_seconds', {}, 4.5],
    ['sluice_notices_total', { kind: 'truncate' }, 1],
    ['sluice_deletes_checked_total', {}, 5],
    ['sluice_deletes_repeated_total', {}, 1],
    ['sluice_journal_gaps_total', {}, 1],
    ['sluice_journal_gap_records_total', {}, 10],
  ];
  for (const [name, labels, value] of expected) assert.equal(await sample(subject, name, labels), value, name);
  subject.stop();
});

test('a batch of rejected documents only has no freshness', async () => {
  const { subject } = started();
  const nothing = { upserts: 0, deletes: 0, oldestTimestampMs: Number.POSITIVE_INFINITY, newestTimestampMs: 0 };
  subject.report({ type: 'settled', table: orders, rejected: 3, atMs: 1, ...nothing });
  assert.equal(await sample(subject, 'buffer_sync_latency_seconds_count'), 0);
  subject.stop();
});

test('gauges are read when they are scraped', async () => {
  const { clock, gauges, logs, subject } = started();
  const log = new PartitionLog('shop', 2, 100, gauges.inFlight);
  logs.push(log);
  const ticket = log.admit(100, 110, { offset: 109, timestampMs: 500, hash: '' });
  subject.reportSource({ type: 'fetched', topic: 'shop', partition: 2, records: 10, bytes: 1, end: 150 });
  subject.reportSource({ type: 'paused', isPaused: true, bytes: 1, changes: 1 });
  subject.report({ type: 'held', table: orders, errorType: 'cluster_block_exception', forMs: 5000 });
  clock.advance(3000);
  const place = { topic: 'shop', partition: '2' };
  assert.equal(await sample(subject, 'buffer_size'), 7);
  assert.equal(await sample(subject, 'sluice_parked_keys'), 3);
  assert.equal(await sample(subject, 'sluice_assigned_partitions'), 1);
  assert.equal(await sample(subject, 'sluice_consumer_lag_records', place), 50);
  assert.equal(await sample(subject, 'sluice_unsettled_records', place), 10);
  assert.equal(await sample(subject, 'sluice_oldest_unsettled_seconds', place), 2.5);
  assert.equal(await sample(subject, 'sluice_source_paused'), 1);
  assert.equal(await sample(subject, 'sluice_in_flight_bytes'), gauges.inFlight.bytes);
  assert.equal(await sample(subject, 'sluice_in_flight_limit_changes'), 10);
  assert.equal(await sample(subject, 'sluice_index_held', { table: 'shop.orders' }), 1);
  ticket.release();
  ticket.journaled();
  clock.advance(3000);
  assert.equal(await sample(subject, 'sluice_consumer_lag_records', place), 40);
  assert.equal(await sample(subject, 'sluice_oldest_unsettled_seconds', place), 0);
  assert.equal(await sample(subject, 'sluice_index_held', { table: 'shop.orders' }), 0);
  logs.pop();
  assert.equal(await sample(subject, 'sluice_consumer_lag_records', place), undefined);
  subject.stop();
});

test('a server that does not answer leaves its gauge as it was and the scrape alive', async () => {
  let isAway = false;
  const clock = new VirtualClock();
  const gauges = {
    inFlight: new InFlight({ bytes: 1, changes: 1 }),
    logs: () => [],
    bufferSize: () => (isAway ? new Promise<number>(() => undefined) : Promise.resolve(5)),
    parkedCount: () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve(6)),
  };
  const subject = telemetry({ log: recordedLog().log, gauges, scheduler: clock, processMetrics: false });
  assert.equal(await sample(subject, 'buffer_size'), 5);
  isAway = true;
  const scrape = subject.registry.metrics();
  clock.advance(500);
  assert.match(await scrape, /^buffer_size 5$/m);
  assert.match(await scrape, /^sluice_parked_keys 6$/m);
  subject.stop();
});

test('labels of tables, topics and reasons stay within their caps, whatever comes', async () => {
  const { subject } = started({ maxTables: 3 });
  for (let i = 0; i < 300; i += 1) {
    const settled = { upserts: 1, deletes: 0, rejected: 0, oldestTimestampMs: 0, newestTimestampMs: 0, atMs: 0 };
    subject.report({ type: 'settled', table: tableOf(`t${i}`), ...settled });
    subject.report(parsed({ topic: `t${i}` }));
    subject.report({ type: 'dead-lettered', reason: `r${i}`, table: '', count: 1 });
  }
  assert.equal(await sample(subject, 'sluice_indexed_total', { table: 'other', op: 'upsert' }), 297);
  assert.equal(await sample(subject, 'sluice_records_received_total', { topic: 'other' }), 2970);
  const metrics = await subject.registry.getMetricsAsJSON();
  for (const { name, values } of metrics) assert.ok(values.length <= 120, `${name} has ${values.length} samples`);
  subject.stop();
});

test('a server is up from a first success until nothing gets through', async () => {
  const { lines, subject } = started();
  const up = (name: string): Promise<number | undefined> => sample(subject, 'sluice_dependency_up', { name });
  subject.report(bulk());
  assert.equal(await up('index'), 1);
  subject.report(bulk({ done: 0, conflicts: 0, rejected: 0, retries: 10 }));
  assert.equal(await up('index'), 0);
  subject.report(bulk({ done: 0, conflicts: 0, rejected: 10, retries: 0 }));
  assert.equal(await up('index'), 1);
  subject.report(bulk({ done: 0, conflicts: 0, rejected: 0, retries: 5, held: 5 }));
  subject.report({ type: 'held', table: orders, errorType: 'index_closed_exception', forMs: 1 });
  assert.equal(await up('index'), 1, 'one held index is not the server');
  subject.report({ type: 'held', table: null, errorType: 'security_exception', forMs: 1 });
  assert.equal(await up('index'), 0);
  subject.report({ type: 'dependency', name: 'store', isUp: false, code: 'E4001', detail: 'ECONNREFUSED' });
  assert.equal(await up('store'), 0);
  assert.equal(await sample(subject, 'sluice_dependency_errors_total', { name: 'index' }), 2);
  const down = lines.find(({ fields }) => fields.component === 'store');
  assert.deepEqual([down?.level, down?.fields.code], ['warn', 'E4001']);
  subject.stop();
});

test('servers that are not in use have no series', async () => {
  const { subject } = started({ dependencies: ['store', 'index'] });
  subject.report({ type: 'buffered', changes: 1, ms: 1 });
  assert.equal(await sample(subject, 'sluice_dependency_up', { name: 'buffer' }), undefined);
  subject.stop();
});

test('a condition that lasts is told at once and then once a minute, with how often it occurred', () => {
  const { clock, lines, subject } = started({ summaryMs: 10_000 });
  const held: PipelineEvent = { type: 'held', table: orders, errorType: 'cluster_block_exception', forMs: 1000 };
  for (let second = 0; second < 150; second += 1) {
    subject.report(held);
    clock.advance(1000);
  }
  const told = lines.filter(({ fields }) => fields.code === 'E3002');
  assert.deepEqual(
    told.map(({ fields }) => fields.occurrences ?? 1),
    [1, 59, 60],
  );
  assert.equal(told[0]?.fields.table, 'shop.orders');
  clock.advance(120_000);
  const occurrences = lines
    .filter(({ fields }) => fields.code === 'E3002')
    .map(({ fields }) => Number(fields.occurrences ?? 1));
  assert.equal(
    occurrences.reduce((sum, one) => sum + one, 0),
    150,
    'no occurrence goes untold',
  );
  subject.stop();
});

test('a summary stands for the lines of batches', () => {
  const { clock, lines, subject } = started();
  for (let i = 0; i < 1000; i += 1) {
    subject.report(parsed());
    subject.report({ type: 'buffered', changes: 9, ms: 1 });
    subject.report(bulk({ done: 10, retries: 0, rejected: 0 }));
    const settled = { upserts: 6, deletes: 1, rejected: 0, oldestTimestampMs: 0, newestTimestampMs: 0, atMs: 0 };
    subject.report({ type: 'settled', table: orders, ...settled });
  }
  clock.advance(30_000);
  const summaries = lines.filter(({ message }) => message === 'summary');
  assert.equal(summaries.length, 1);
  const { fields } = summaries[0] ?? assert.fail();
  assert.deepEqual([fields.records, fields.settled, fields.skipped, fields.duration_s], [10_000, 7000, 2000, 30]);
  assert.ok(lines.length < 10, `${lines.length} lines for 1000 batches`);
  clock.advance(30_000);
  assert.equal(lines.at(-1)?.fields.records, 0, 'a summary counts anew');
  subject.stop();
  clock.advance(60_000);
  assert.equal(lines.filter(({ message }) => message === 'summary').length, 2, 'none comes after stop');
});

test('the crash of a consumer is an error, a restart of it a warning', async () => {
  const { lines, subject } = started();
  subject.reportSource({
    type: 'assigned',
    generation: 1,
    partitions: [{ topic: 'shop', partition: 0, from: 0, end: 9 }],
  });
  assert.equal(await sample(subject, 'sluice_dependency_up', { name: 'kafka' }), 1);
  subject.reportSource({ type: 'crashed', isRestarting: true, detail: 'x' });
  subject.reportSource({ type: 'crashed', isRestarting: false, detail: 'x' });
  subject.reportSource({ type: 'rebalanced', generation: 2, partitions: 1 });
  subject.reportSource({ type: 'commit-failed', detail: 'x' });
  subject.reportSource({ type: 'committed', partitions: 1 });
  assert.equal(await sample(subject, 'sluice_source_crashes_total'), 2);
  assert.equal(await sample(subject, 'sluice_rebalances_total'), 1);
  assert.equal(await sample(subject, 'sluice_commit_failures_total'), 1);
  assert.equal(await sample(subject, 'sluice_commits_total'), 1);
  const crashes = lines.filter(({ message }) => message.includes('broke down'));
  assert.deepEqual(
    crashes.map(({ level }) => level),
    ['warn', 'error'],
  );
  subject.stop();
});

test('whatever order events come in, reporting does not throw and counters do not go down', async () => {
  const counts = fc.record({
    done: fc.nat(9),
    conflicts: fc.constant(0),
    retries: fc.nat(9),
    held: fc.nat(9),
    rejected: fc.nat(9),
  });
  const event: fc.Arbitrary<PipelineEvent> = fc.oneof(
    counts.map((one) => bulk(one)),
    fc
      .nat(9)
      .map(
        (keys): PipelineEvent => ({ type: 'window', cause: 'time', changes: keys, superseded: 0, keys: 5, bytes: 0 }),
      ),
    fc.nat(9).map((keys): PipelineEvent => ({ type: 'parked', keys })),
    fc.string().map((reason): PipelineEvent => ({ type: 'dead-lettered', reason, table: reason, count: 1 })),
    fc.constant(parsed()),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event), async (events) => {
      const { subject } = started();
      let before = 0;
      for (const one of events) {
        subject.report(one);
        const now = (await sample(subject, 'sluice_coalesced_total')) ?? -1;
        assert.ok(now >= before);
        before = now;
      }
      subject.stop();
    }),
    { numRuns: 20 },
  );
});

test('metrics of the process are there unless they are switched off', async () => {
  const registry = new Registry();
  const { subject } = started({ processMetrics: true, registry });
  const text = await registry.metrics();
  assert.match(text, /^process_resident_memory_bytes \d+/m);
  assert.match(text, /^nodejs_eventloop_lag_seconds /m);
  subject.stop();
});
