import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MonitorRow, StoredPosition } from '../../src/pipeline/ports.ts';
import type { OpenPlace } from './store.ts';
import { answerOf, newPartition, newTable } from './store-samples.ts';

export function registryConformance(opened: () => OpenPlace): void {
  test('a registration is read as it was, and one of an older epoch changes nothing', async () => {
    const { store } = opened();
    const { topic } = newPartition();
    assert.equal(await store.registration(topic), null);
    await store.register({ topic, partitions: 3, epoch: 0, boundaries: [] });
    const bumped = {
      topic,
      partitions: 6,
      epoch: 1,
      boundaries: [{ partition: 0, epoch: 1, fromOffset: 2 ** 43, partitionsBefore: 3 }],
    };
    await store.register(bumped);
    await store.register({ topic, partitions: 3, epoch: 0, boundaries: [] });
    assert.deepEqual(await store.registration(topic), bumped);
  });

  test('an index, once paired, stays with its table and topic, whoever asks first', async () => {
    const { place, store } = opened();
    const { index, qualified } = newTable();
    const other = newTable();
    const { topic } = newPartition();
    const stores = await Promise.all([place.open(), place.open()]);
    const claims = await Promise.all(stores.map((one, number) => one.pair(index, qualified, `${topic}-${number}`)));
    for (const one of stores) await one.close();
    const [claim] = claims;
    assert.ok(claim);
    assert.deepEqual(claims, [claim, claim]);
    assert.deepEqual(await store.pair(index, qualified, claim.topic), claim);
    assert.deepEqual(await store.pair(index, other.qualified, claim.topic), claim, 'another table');
    assert.deepEqual(await store.pair(other.index, qualified, claim.topic), claim, 'another index');
    const free = { index: other.index, table: other.qualified, topic: claim.topic };
    assert.deepEqual(await store.pair(free.index, free.table, free.topic), free, 'one topic carries many tables');
  });

  test('a position is read as it was saved', async () => {
    const { store } = opened();
    const partition = newPartition();
    const position: StoredPosition = {
      ...partition,
      settled: 2 ** 43,
      anchor: { offset: 2 ** 43 - 1, timestampMs: 1_900_000_000_123, hash: '0'.repeat(32) },
      deletesChecked: 5,
      candidate: 9,
      candidateSinceMs: 1_900_000_000_456,
    };
    assert.deepEqual(await store.positions(partition.topic), []);
    await answerOf(store.savePositions([position, { ...position, partition: 4, anchor: null }]));
    assert.deepEqual(await store.positions(partition.topic), [position, { ...position, partition: 4, anchor: null }]);
  });

  test('positions never move back, in any order of saving', async () => {
    const { store } = opened();
    const save = fc.record({ settled: fc.nat(20), deletesChecked: fc.nat(20), hasAnchor: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(save, { minLength: 1, maxLength: 8 }), async (saves) => {
        const partition = newPartition();
        let anchor: StoredPosition['anchor'] = null;
        let settled = 0;
        let deletesChecked = 0;
        for (const one of saves) {
          const given = one.hasAnchor ? { offset: one.settled, timestampMs: 1, hash: `h${one.settled}` } : null;
          await answerOf(
            store.savePositions([
              {
                ...partition,
                ...one,
                anchor: given,
                candidate: one.deletesChecked + 1,
                candidateSinceMs: one.deletesChecked + 2,
              },
            ]),
          );
          if (one.settled >= settled) anchor = given ?? anchor;
          settled = Math.max(settled, one.settled);
          deletesChecked = Math.max(deletesChecked, one.deletesChecked);
        }
        const [found] = await store.positions(partition.topic);
        const expected = {
          ...partition,
          settled,
          anchor,
          deletesChecked,
          candidate: deletesChecked + 1,
          candidateSinceMs: deletesChecked + 2,
        };
        assert.deepEqual(found, expected);
      }),
      { numRuns: 25 },
    );
  });

  test('a position of a later epoch may lie lower, and none of the earlier one comes back', async () => {
    const { store } = opened();
    const partition = newPartition();
    const { topic } = partition;
    const at = (settled: number): StoredPosition => ({
      ...partition,
      settled,
      anchor: settled > 0 ? { offset: settled - 1, timestampMs: 1, hash: `h${settled}` } : null,
      deletesChecked: settled,
      candidate: settled,
      candidateSinceMs: settled,
    });
    await store.register({ topic, partitions: 4, epoch: 0, boundaries: [] });
    await answerOf(store.savePositions([at(5000)]));
    await store.register({
      topic,
      partitions: 4,
      epoch: 1,
      boundaries: [{ partition: partition.partition, epoch: 1, fromOffset: 0 }],
    });
    await answerOf(store.savePositions([at(0)]));
    assert.deepEqual(await store.positions(topic), [at(0)]);
    await answerOf(store.savePositions([at(7)]));
    await answerOf(store.savePositions([at(3)]));
    assert.deepEqual(await store.positions(topic), [at(7)]);
  });

  test('a monitor row of a batch is added once', async () => {
    const { place, store } = opened();
    const table = newTable();
    const row: MonitorRow = {
      table,
      batchId: 'batch-1',
      syncCount: 10,
      successCount: 9,
      failureCount: 1,
      startMs: Date.UTC(2031, 4, 6, 7, 8, 9, 10),
      endMs: Date.UTC(2031, 4, 6, 7, 8, 10),
      status: 'PARTIAL',
      errorMessage: null,
    };
    await answerOf(store.addMonitorRows([row, { ...row, batchId: 'batch-2', status: 'SUCCESS' }]));
    await answerOf(store.addMonitorRows([row]));
    const rows = await place.query(
      `SELECT sync_batch_id, sync_count, success_count, failure_count, start_time, end_time, status, error_message
       FROM sync_monitor WHERE table_name = '${table.qualified}' ORDER BY id`,
    );
    assert.equal(rows.length, 2);
    const { start_time: start, ...first } = rows[0] ?? {};
    assert.match(String(start), /^2031-05-06 07:08:09\.010/);
    assert.deepEqual(
      [
        Number(first.sync_count),
        Number(first.success_count),
        Number(first.failure_count),
        String(first.status),
        first.error_message,
      ],
      [10, 9, 1, 'PARTIAL', null],
    );
  });
}
