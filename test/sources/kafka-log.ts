import kafkajs, { type Admin, type CompressionTypes, type Kafka, type Producer } from 'kafkajs';
import { asyncScheduler } from 'rxjs';
import type { InFlight } from '../../src/pipeline/position.ts';
import { type KafkaSource, type KafkaSourceOptions, kafkaSource } from '../../src/sources/kafka-source.ts';
import { patchKafkajs } from '../../src/sources/kafkajs-patches.ts';
import type { SourceEvent } from '../../src/sources/source-event.ts';
import { MemoryRegistry } from './memory-registry.ts';

let made = 0;

/** Writes to one broker and looks into it, beside the source under test. */
export class KafkaLog {
  readonly client: Kafka;
  readonly admin: Admin;
  private readonly brokers: readonly string[];
  private readonly producer: Producer;

  private constructor(brokers: readonly string[]) {
    patchKafkajs(); // for the codecs
    this.brokers = brokers;
    this.client = new kafkajs.Kafka({
      brokers: [...brokers],
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { retries: 12 },
    });
    this.admin = this.client.admin();
    this.producer = this.client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  }

  static async connect(brokers: readonly string[]): Promise<KafkaLog> {
    const log = new KafkaLog(brokers);
    await Promise.all([log.admin.connect(), log.producer.connect()]);
    return log;
  }

  /** A new topic with its own group and registry. */
  async topic({ partitions = 1, prefix = 'log', policy = 'delete' } = {}): Promise<TopicUnderTest> {
    made += 1;
    const topic = `${prefix}-${process.pid}-${made}`;
    await this.create(topic, partitions, policy);
    return new TopicUnderTest(topic, this.brokers);
  }

  async create(topic: string, partitions: number, policy = 'delete'): Promise<void> {
    const configEntries = [{ name: 'cleanup.policy', value: policy }];
    await this.admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] });
  }

  async append(
    topic: string,
    values: readonly (Buffer | string | null)[],
    { partition = 0, compression }: { partition?: number; compression?: CompressionTypes } = {},
  ): Promise<void> {
    const messages = values.map((value) => ({ partition, value }));
    await this.producer.send({ topic, messages, ...(compression === undefined ? {} : { compression }) });
  }

  /** Committed offset of each partition of a group, −1 where there is none. */
  async committed({ groupId, topic }: TopicUnderTest): Promise<number[]> {
    const [answer] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
    const partitions = answer?.partitions ?? [];
    return partitions.sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
  }

  async close(): Promise<void> {
    await Promise.all([this.admin.disconnect(), this.producer.disconnect()]);
  }
}

/** What a service knows that reads one topic, over restarts. */
export class TopicUnderTest {
  readonly topic: string;
  readonly groupId: string;
  readonly registry = new MemoryRegistry();
  readonly events: SourceEvent[] = [];
  private readonly brokers: readonly string[];

  constructor(topic: string, brokers: readonly string[]) {
    this.topic = topic;
    this.groupId = `group-${topic}`;
    this.brokers = brokers;
  }

  source(inFlight: InFlight, options: Partial<KafkaSourceOptions> = {}): KafkaSource {
    return kafkaSource({
      brokers: this.brokers,
      groupId: this.groupId,
      topics: [this.topic],
      inFlight,
      registry: this.registry,
      scheduler: asyncScheduler,
      sessionTimeoutMs: 6000,
      onEvent: (event) => this.events.push(event),
      ...options,
    });
  }
}
