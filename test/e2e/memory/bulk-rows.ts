import kafkajs, { CompressionTypes, type Producer } from 'kafkajs';
import { createTopic } from '../../../scripts/stack/index.mjs';
import { canalMessage, ORDERS, orderRow, type TestTable } from '../../support/canal-message.ts';
import type { Kafka } from '../stack.ts';

const BATCH = 2000;

/** Writes a table of rows that never come twice, as fast as the broker takes them. Knows no more than how many there are. */
export class BulkRows {
  readonly topic: string;
  readonly table: TestTable;
  readonly index: string;
  /** Rows written; their keys are 1 to this, row n is record n - 1. */
  count = 0;
  private readonly producer: Producer;

  private constructor(name: string, producer: Producer) {
    this.topic = name;
    this.table = { ...ORDERS, database: name };
    this.index = `${name}_orders`;
    this.producer = producer;
  }

  /** Makes a topic of one partition. */
  static async open(name: string, { brokers, host, port }: Kafka): Promise<BulkRows> {
    await createTopic(host, port, { topic: name, partitions: 1 });
    const client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING, requestTimeout: 120_000 });
    const producer = client.producer({ allowAutoTopicCreation: false, maxInFlightRequests: 2 });
    await producer.connect();
    return new BulkRows(name, producer);
  }

  async write(rows: number): Promise<void> {
    const end = this.count + rows;
    while (this.count < end) {
      const batch = Math.min(BATCH, end - this.count);
      const values = Array.from({ length: batch }, (_, at) => this.message(this.count + at + 1));
      await this.send(values);
      this.count += batch;
    }
  }

  /** One record that is so many bytes long, or a little more. It is a row of its own, with a note that long. */
  async writeLong(bytes: number): Promise<void> {
    await this.send([canalMessage(this.table, 'INSERT', [orderRow(this.count + 1, 1, bytes)])]);
    this.count += 1;
  }

  async close(): Promise<void> {
    await this.producer.disconnect();
  }

  private message(id: number): string {
    return canalMessage(this.table, 'INSERT', [orderRow(id, 1, 300)]);
  }

  private async send(values: readonly string[]): Promise<void> {
    const messages = values.map((value) => ({ partition: 0, value }));
    await this.producer.send({ topic: this.topic, messages, compression: CompressionTypes.None });
  }
}
