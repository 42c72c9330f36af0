import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastValueFrom } from 'rxjs';
import { entryOf } from '../../src/operators/entry.ts';
import type { DedupedBatch } from '../../src/operators/latest-per-key.ts';
import type { Table } from '../../src/pipeline/change.ts';
import { pairingGuard } from '../../src/pipeline/pairing.ts';
import type { Store } from '../../src/pipeline/ports.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { changeAt } from '../conformance/store-samples.ts';
import { memoryStore, orders } from './running-recovery.ts';
import { RunningStream } from './running-stream.ts';

const items: Table = { ...orders, name: 'items', qualified: 'shop.items', index: 'shop_items' };

/** A batch of rows of one table that came from these topics. */
function batchOf(table: Table, ...topics: string[]): DedupedBatch {
  const entries = topics.map((topic, i) => {
    const ticket = new PartitionLog(topic, 0, 0).admit(0, 1, null);
    return entryOf(changeAt(table, `k${i}`, i), ticket, 0);
  });
  const nothing = (): never => assert.fail('a guard only looks');
  const acts = { joinSuperseded: nothing, giveBack: nothing, hold: nothing, settle: nothing, finish: nothing };
  return { ...acts, table, entries, bytes: 0, id: '1-x-1', takenAtMs: 0 };
}

async function asked(store: Pick<Store, 'pair'>, ...batches: DedupedBatch[]): Promise<(string | null)[]> {
  const guard = pairingGuard(store);
  const answers: (string | null)[] = [];
  for (const batch of batches) answers.push(await lastValueFrom(guard(batch)));
  return answers;
}

test('the first claim of a table stands, over restarts', async () => {
  const store = await memoryStore();
  assert.deepEqual(await asked(store, batchOf(orders, 'shop'), batchOf(items, 'shop')), [null, null]);
  assert.deepEqual(await asked(store, batchOf(orders, 'shop')), [null]);
});

test('a table that arrives from another topic is refused, and so is a batch in which one row does', async () => {
  const store = await memoryStore();
  await asked(store, batchOf(orders, 'shop'));
  assert.deepEqual(await asked(store, batchOf(orders, 'crm')), ['paired-with-topic-shop']);
  assert.deepEqual(await asked(store, batchOf(orders, 'shop', 'crm')), ['paired-with-topic-shop']);
});

test('a second table of an index is refused, and so is another index of a table', async () => {
  const store = await memoryStore();
  await asked(store, batchOf(orders, 'shop'));
  const intruder = { ...items, index: orders.index };
  assert.deepEqual(await asked(store, batchOf(intruder, 'shop')), ['paired-with-table-shop.orders']);
  const moved = { ...orders, index: 'orders_v2' };
  assert.deepEqual(await asked(store, batchOf(moved, 'shop')), ['paired-with-index-shop_orders']);
});

test('each pairing is asked for once; a store that gave no answer is asked again', async () => {
  let calls = 0;
  const guard = pairingGuard({
    pair: async (index, table, topic) => {
      calls += 1;
      if (calls === 1) throw new Error('away');
      return { index, table, topic };
    },
  });
  await assert.rejects(lastValueFrom(guard(batchOf(orders, 'shop'))));
  for (let i = 0; i < 3; i += 1) assert.equal(await lastValueFrom(guard(batchOf(orders, 'shop'))), null);
  assert.equal(calls, 2);
});

test('in the stream a table with a wrong pairing stops with an error, is parked, and the others go on', async () => {
  const store = await memoryStore();
  await asked(store, batchOf(orders, 'shop'));
  const intruder = { ...items, index: orders.index };
  const stream = new RunningStream(store);
  await stream.clock.pass(100);
  const [refused, taken] = [stream.write(intruder, 'a'), stream.write({ ...items, index: 'other' }, 'b')];
  await stream.clock.pass(4000);
  assert.deepEqual([...stream.indexed], [`other b@${taken.version}`]);
  const held = stream.events.find((event) => event.type === 'held');
  assert.equal(
    held?.type === 'held' && `${held.table?.qualified} ${held.errorType}`,
    'shop.items paired-with-table-shop.orders',
  );
  assert.equal(stream.log.settled, refused.offset);
  await stream.clock.pass(60_000);
  assert.equal(stream.log.settled, 2, 'a table that may not be written holds the position for some windows only');
  assert.equal(await store.parkedCount(), 1);
  assert.equal(stream.error, null);
  stream.stop();
});
