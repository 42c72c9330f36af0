import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Admin } from 'kafkajs';
import { asyncScheduler } from 'rxjs';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { KafkaTopics } from '../../src/sources/kafka-topics.ts';
import { MemoryRegistry } from './memory-registry.ts';

/** A broker with one topic of one partition, 10 records long and committed to the seventh. */
const admin = {
  listTopics: async () => ['shop'],
  describeConfigs: async () => ({ resources: [] }),
  fetchTopicMetadata: async () => ({ topics: [{ name: 'shop', partitions: [{}] }] }),
  fetchOffsets: async () => [{ topic: 'shop', partitions: [{ partition: 0, offset: '7' }] }],
  fetchTopicOffsets: async () => [{ partition: 0, low: '0', high: '10' }],
} as unknown as Admin;

test('an assignment is compared with what the store said last when it is away', async () => {
  const registry = new MemoryRegistry();
  const log = new PartitionLog('shop', 0, 6);
  log.admit(6, 7, { offset: 6, timestampMs: 5, hash: 'h' }).journaled();
  registry.mirror([log]);
  const topics = new KafkaTopics({
    brokers: [],
    groupId: 'group',
    topics: ['shop'],
    inFlight: new InFlight({ bytes: 1, changes: 1 }),
    registry,
    scheduler: asyncScheduler,
    onEvent: () => undefined,
  });
  await topics.check(admin);
  registry.isAway = true;
  assert.deepEqual(await topics.positions(), registry.stored);
});
