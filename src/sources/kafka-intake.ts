import kafkajs, { type Consumer, type EachBatchPayload, type Kafka } from 'kafkajs';
import type { SchedulerLike } from 'rxjs';
import { SluiceError } from '../pipeline/errors.ts';
import { outsideLog } from './kafka-checks.ts';
import { withAdmin } from './kafka-client.ts';
import type { KafkaPartition } from './kafka-partition.ts';
import type { KafkaPause } from './kafka-pause.ts';
import type { SourceEvent } from './source-event.ts';

export interface KafkaIntakeOptions {
  readonly kafka: Kafka;
  readonly consumer: Pick<Consumer, 'seek'>;
  readonly pause: Pick<KafkaPause, 'room' | 'whenFull'>;
  readonly scheduler: SchedulerLike;
  readonly onEvent: (event: SourceEvent) => void;
  /** Hears of what makes reading on impossible. */
  readonly onFailure: (error: SluiceError) => void;
}

/** What kafkajs tells of a batch that it passes over by itself. */
interface PassedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly firstOffset: string | null;
  readonly lastOffset: string;
}

/** Takes what the consumer fetches to the partitions that are being read, and drops what belongs to none. */
export class KafkaIntake {
  private readonly options: KafkaIntakeOptions;
  private partitions = new Map<string, KafkaPartition>();
  private isEnded = false;

  constructor(options: KafkaIntakeOptions) {
    this.options = options;
  }

  /** Begins an assignment: each partition is fetched from where it expects. */
  open(partitions: readonly KafkaPartition[]): void {
    this.retire();
    this.partitions = new Map(partitions.map((one) => [one.place, one]));
    for (const one of partitions) this.seek(one);
  }

  /** Ends an assignment: what is fetched until the next one is dropped, and read again after it. */
  retire(): void {
    for (const { log } of this.partitions.values()) log.retire();
    this.partitions = new Map();
  }

  /** Takes nothing any more. Positions can still move. */
  end(): void {
    this.isEnded = true;
  }

  /** Where a partition (`topic/partition`) reads on; null when it is not ours. */
  expected(place: string): number | null {
    return this.partitions.get(place)?.expected ?? null;
  }

  /** Hands the batch on before it returns, waiting for room a little: kafkajs fetches nothing while this runs. */
  eachBatch({ batch, isStale, resolveOffset }: EachBatchPayload): Promise<void> {
    return this.guarded(async () => {
      const partition = this.partitionOf(batch);
      if (partition === null || isStale()) return;
      let taken = partition.take(batch);
      if (taken.kind === 'hole' && (await this.mayPassHole(partition))) taken = partition.take(batch);
      while (taken.kind === 'read' && partition.log.isCurrent) {
        resolveOffset(String(partition.expected - 1));
        const { topic, partition: number, highWatermark } = batch;
        const { records, bytes } = taken;
        this.options.onEvent({ type: 'fetched', topic, partition: number, records, bytes, end: Number(highWatermark) });
        const isLeft = partition.expected <= Number(batch.lastOffset());
        if (!(await this.options.pause.room()) || !isLeft) break;
        taken = partition.takeRest(batch);
      }
      if (!partition.log.isCurrent) return;
      if (taken.kind !== 'read') this.seek(partition);
      this.options.pause.whenFull();
    });
  }

  /** kafkajs hands over no batch of control and aborted records only; the position has to pass it all the same. */
  passed(batch: PassedBatch): Promise<void> {
    return this.guarded(async () => {
      const partition = this.partitionOf(batch);
      if (partition === null) return;
      const taken = partition.skip(Number(batch.firstOffset ?? partition.expected), Number(batch.lastOffset) + 1);
      if (taken.kind === 'read') return this.options.pause.whenFull();
      if (taken.kind === 'hole' && !(await this.mayPassHole(partition))) return;
      this.seek(partition);
    });
  }

  private partitionOf({ topic, partition }: { topic: string; partition: number }): KafkaPartition | null {
    return this.isEnded ? null : (this.partitions.get(`${topic}/${partition}`) ?? null);
  }

  private seek({ log, expected }: KafkaPartition): void {
    this.options.consumer.seek({ topic: log.topic, partition: log.partition, offset: String(expected) });
  }

  /** A hole is only innocent while the log still begins before it; else records were deleted that we had not read. */
  private async mayPassHole(partition: KafkaPartition): Promise<boolean> {
    const { log, expected, place } = partition;
    const { kafka, scheduler } = this.options;
    const offsets = await withAdmin(kafka, (admin) => admin.fetchTopicOffsets(log.topic), scheduler);
    if (!log.isCurrent) return false;
    const own = offsets.find((one) => one.partition === log.partition);
    const range = own === undefined ? null : { low: Number(own.low), high: Number(own.high) };
    if (range === null || range.low > expected) throw outsideLog(place, expected, range);
    partition.passHole();
    return true;
  }

  /** Nothing but kafkajs errors may leave a handler: any other kills the consumer, or is retried without end. */
  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof kafkajs.KafkaJSError) throw error;
      const defect = (): SluiceError => new SluiceError('E9001', 'reading failed by a defect', { cause: error });
      this.options.onFailure(error instanceof SluiceError ? error : defect());
    }
  }
}
