import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saveFinalPositions } from '../../src/pipeline/final-positions.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { answerOf } from '../conformance/store-samples.ts';
import { memoryStore } from './running-recovery.ts';

const anchor = { offset: 11, timestampMs: 7, hash: 'h11' };

/** A log that was read to its end and settled, from offset 10 on. */
function settledLog(topic: string, partition: number, hasRecord = true): PartitionLog {
  const log = new PartitionLog(topic, partition, 10);
  const ticket = log.admit(10, 12, hasRecord ? anchor : null);
  ticket.journaled();
  ticket.release();
  return log;
}

test('each partition is stored where it stands, with the record before', async () => {
  const store = await memoryStore();
  await saveFinalPositions(store, [settledLog('shop', 0), settledLog('shop', 1), settledLog('crm', 0)], 500);
  const stored = [...(await store.positions('shop')), ...(await store.positions('crm'))];
  assert.deepEqual(
    stored.map(({ partition, settled, topic }) => `${topic}/${partition} ${settled}`),
    ['shop/0 12', 'shop/1 12', 'crm/0 12'],
  );
  for (const one of stored) {
    assert.deepEqual(one.anchor, anchor);
    assert.deepEqual([one.deletesChecked, one.candidate, one.candidateSinceMs], [0, 12, 500]);
  }
});

test('what is known of delete checks stays, and the anchor too when no record came after it', async () => {
  const store = await memoryStore();
  const before = { topic: 'shop', partition: 0, settled: 10, anchor: { offset: 9, timestampMs: 6, hash: 'h9' } };
  await answerOf(store.savePositions([{ ...before, deletesChecked: 4, candidate: 8, candidateSinceMs: 33 }]));
  await saveFinalPositions(store, [settledLog('shop', 0, false)], 500);
  const known = { deletesChecked: 4, candidate: 8, candidateSinceMs: 33 };
  assert.deepEqual(await store.positions('shop'), [{ ...before, settled: 12, ...known }]);
});

test('a service that had no partition stores nothing', async () => {
  const store = { positions: () => assert.fail('nothing to ask'), savePositions: () => assert.fail('nothing to save') };
  await assert.doesNotReject(saveFinalPositions(store, [], 500));
});
