import kafkajs, { type Kafka } from 'kafkajs';
import { patchKafkajs } from '../src/sources/kafkajs-patches.ts';
import type { Load, LoadSummary } from './load.ts';
import { RecordProducer } from './record-producer.ts';

/** Bytes of one produced batch of a partition: below `message.max.bytes`, 1 MiB by default. */
const BATCH_BYTES = 700_000;

/** A topic that holds a load and nothing else. */
export class TopicUnderTest {
  readonly name: string;
  private readonly kafka: Kafka;
  private readonly load: LoadSummary;
  private groups = 0;

  private constructor(kafka: Kafka, load: LoadSummary) {
    this.kafka = kafka;
    this.load = load;
    this.name = `bench-${load.shape.name}`;
  }

  /**
   * Creates the topic and produces the load into it, so that each record has the offset that the load says. Scenarios of
   * one run share it: one that is full already is taken as it is.
   */
  static async fill(brokers: readonly string[], { summary, partitions }: Load): Promise<TopicUnderTest> {
    patchKafkajs(); // or idle connections of ours would burn CPU during the runs
    const kafka = new kafkajs.Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: kafkajs.logLevel.ERROR });
    const topic = new TopicUnderTest(kafka, summary);
    const admin = kafka.admin();
    await admin.connect();
    if (!(await admin.listTopics()).includes(topic.name)) {
      await admin.createTopics({
        waitForLeaders: true,
        topics: [{ topic: topic.name, numPartitions: partitions.length, replicationFactor: 1 }],
      });
      await topic.produce(brokers, partitions);
    }
    const found = await admin.fetchTopicOffsets(topic.name);
    await admin.disconnect();
    for (const { partition, low, high } of found) {
      if (Number(low) !== 0 || Number(high) !== summary.ends[partition])
        throw new Error(`partition ${partition} holds ${low} to ${high}, not 0 to ${summary.ends[partition]}`);
    }
    return topic;
  }

  /** A consumer group that has read nothing, in this process or another. */
  freshGroup(): string {
    this.groups += 1;
    return `${this.name}-${process.pid}-${this.groups}`;
  }

  /** Rejects unless the group has committed the end of every partition. */
  async check(groupId: string): Promise<void> {
    const admin = this.kafka.admin();
    await admin.connect();
    const [committed] = await admin.fetchOffsets({ groupId, topics: [this.name] });
    await admin.disconnect();
    for (const [partition, end] of this.load.ends.entries()) {
      const offset = Number(committed?.partitions.find((one) => one.partition === partition)?.offset);
      if (offset !== end) throw new Error(`partition ${partition} is committed at ${offset}, not ${end}`);
    }
  }

  private async produce(brokers: readonly string[], partitions: Load['partitions']): Promise<void> {
    const producer = new RecordProducer(brokers);
    const sent = partitions.map(() => 0);
    // One batch of each partition in every request, as the binlog would have mixed them.
    while (partitions.some((values, partition) => (sent[partition] as number) < values.length)) {
      const records = partitions.flatMap((values, partition) => {
        const batch = firstBatch(values, sent[partition] as number);
        sent[partition] = (sent[partition] as number) + batch.length;
        return batch.map((value) => ({ partition, value }));
      });
      await producer.send(this.name, records);
    }
    await producer.close();
  }
}

function firstBatch(values: readonly Buffer[], from: number): readonly Buffer[] {
  let bytes = 0;
  let end = from;
  while (end < values.length && end - from < 1000) {
    bytes += (values[end] as Buffer).length + 100;
    if (bytes > BATCH_BYTES && end > from) break;
    end += 1;
  }
  return values.slice(from, end);
}
