import kafkajs, { type Admin } from 'kafkajs';
import { patchKafkajs } from '../../src/sources/kafkajs-patches.ts';
import { eventually } from '../../test/support/eventually.ts';
import { RecordProducer } from '../record-producer.ts';
import type { LoadRow } from './load-rows.ts';

/** Rows of one request when all there are go at once. */
const REQUEST_ROWS = 2000;

/** A topic that rows of a load are written to while the service reads it, in their order. */
export class LiveTopic {
  readonly name: string;
  private readonly admin: Admin;
  private readonly producer: RecordProducer;
  /** Rows produced so far, by partition: the ends of the log. */
  private readonly ends: number[];

  private constructor(name: string, partitions: number, brokers: readonly string[]) {
    patchKafkajs(); // or idle connections of ours would burn CPU during the runs
    // What fails for good rejects; of a new group and topic something always fails at first.
    const kafka = new kafkajs.Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });
    this.name = name;
    this.admin = kafka.admin();
    this.producer = new RecordProducer(brokers);
    this.ends = Array.from({ length: partitions }, () => 0);
  }

  /** Creates it. */
  static async open(brokers: readonly string[], name: string, partitions: number): Promise<LiveTopic> {
    const topic = new LiveTopic(name, partitions, brokers);
    await topic.admin.connect();
    await topic.admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic: name, numPartitions: partitions, replicationFactor: 1 }],
    });
    return topic;
  }

  /** Writes the rows and waits until they are durable. Rejects when one did not get the offset that the load says. */
  async send(rows: readonly LoadRow[]): Promise<void> {
    for (let from = 0; from < rows.length; from += REQUEST_ROWS) {
      const some = rows.slice(from, from + REQUEST_ROWS);
      for (const [partition, offset] of await this.producer.send(this.name, some)) {
        const end = this.ends[partition] as number;
        if (offset !== end) throw new Error(`a row of partition ${partition} is at ${offset}, not ${end}`);
      }
      for (const { offset, partition } of some) this.ends[partition] = offset + 1;
    }
  }

  /** Has the group stand at the end of the log, as if it had read all there is. */
  async skip(groupId: string): Promise<void> {
    const partitions = this.ends.map((end, partition) => ({ partition, offset: String(end) }));
    await this.admin.setOffsets({ groupId, topic: this.name, partitions });
  }

  /** Waits until the group has committed the end of every partition. */
  async committed(groupId: string): Promise<void> {
    await eventually(`the group has committed the end of ${this.name}`, async () => {
      const [own] = await this.admin.fetchOffsets({ groupId, topics: [this.name] });
      return this.ends.every((end, partition) => {
        const found = own?.partitions.find((one) => one.partition === partition);
        return end === 0 || Number(found?.offset) === end;
      });
    });
  }

  /** Members of a group that is not rebalancing; 0 while it is. */
  async members(groupId: string): Promise<number> {
    const { groups } = await this.admin.describeGroups([groupId]);
    return groups[0]?.state === 'Stable' ? groups[0].members.length : 0;
  }

  /** Removes it. */
  async close(): Promise<void> {
    await this.admin.deleteTopics({ topics: [this.name] });
    await Promise.all([this.admin.disconnect(), this.producer.close()]);
  }
}
