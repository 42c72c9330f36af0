import { ProduceAcks, Producer } from '@platformatic/kafka';

/** A record to be produced. */
export interface ProducedRecord {
  readonly partition: number;
  readonly value: Buffer;
}

/**
 * Produces records of loads. Not by kafkajs: what it takes for a record, 24 µs, is as much as a server's share, and the
 * service that is measured meanwhile would not have it (decision 31).
 */
export class RecordProducer {
  private readonly producer: Producer<Buffer, Buffer, Buffer, Buffer>;

  constructor(brokers: readonly string[]) {
    this.producer = new Producer({ clientId: 'bench', bootstrapBrokers: [...brokers], acks: ProduceAcks.ALL });
  }

  /**
   * Sends them in one request, with a batch for each partition. Resolves, when they are durable, with the offset that the
   * first one of each partition got: what was sent twice, after an answer that was lost, shows there the next time.
   */
  async send(topic: string, records: readonly ProducedRecord[]): Promise<ReadonlyMap<number, number>> {
    const messages = records.map(({ partition, value }) => ({ topic, partition, value }));
    const { offsets = [] } = await this.producer.send({ messages });
    return new Map(offsets.map(({ offset, partition }) => [partition, Number(offset)]));
  }

  close(): Promise<void> {
    return this.producer.close();
  }
}
