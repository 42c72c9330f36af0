import { kafkaClient } from '../src/sources/kafka-client.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import type { Places, RunNotes, Scenario } from './scenario.ts';
import { TopicUnderTest } from './topic-under-test.ts';

/** How much is fetched at a time: the defaults of sluice's source, for it and for the bare consumer alike. */
export const FETCH = { maxBytes: 2 << 20, maxBytesPerPartition: 1 << 20, maxWaitMs: 300 };

/** The reference beside `kafka-fold`: kafkajs with sluice's patches and fetch sizes, and batches that nothing is done with. */
export function kafkaLimit({ kafka }: Required<Pick<Places, 'kafka'>>): Scenario {
  const topics = new Map<LoadSummary, TopicUnderTest>();
  return {
    async open(load: Load): Promise<void> {
      topics.set(load.summary, await TopicUnderTest.fill(kafka.brokers, load));
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const topic = topics.get(load) as TopicUnderTest;
      const { maxWaitMs: maxWaitTimeInMs, ...sizes } = FETCH;
      const client = kafkaClient({ brokers: kafka.brokers, onEvent: () => undefined });
      const consumer = client.consumer({
        groupId: topic.freshGroup(),
        allowAutoTopicCreation: false,
        maxWaitTimeInMs,
        ...sizes,
      });
      const reached = load.ends.map(() => 0);
      let records = 0;
      const { promise: isRead, resolve, reject } = Promise.withResolvers<void>();
      consumer.on(consumer.events.GROUP_JOIN, () => meter.start());
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      try {
        await consumer.connect();
        await consumer.subscribe({ topics: [topic.name], fromBeginning: true });
        await consumer.run({
          autoCommit: false,
          partitionsConsumedConcurrently: 1,
          eachBatch: async ({ batch }) => {
            records += batch.messages.length;
            reached[batch.partition] = Number(batch.lastOffset()) + 1;
            if (records >= load.records) resolve();
          },
        });
        await isRead;
        meter.stop();
      } finally {
        await consumer.disconnect();
      }
      const isWhole = records === load.records && load.ends.every((end, partition) => reached[partition] === end);
      if (!isWhole) throw new Error(`${records} records were read of ${load.records}, up to ${reached.join(', ')}`);
      return { indexWrites: null, notes: {} };
    },
    async close() {},
  };
}
