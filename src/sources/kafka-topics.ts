import type { Admin } from 'kafkajs';
import type { RecordBatch } from '../pipeline/change.ts';
import type { StoredPosition, TopicRegistration } from '../pipeline/ports.ts';
import { PartitionLog } from '../pipeline/position.ts';
import {
  chooseTopics,
  type PartitionRange,
  partitionCounts,
  partitionRanges,
  refuseCompacted,
  refuseOtherCount,
  registerTopics,
  startPlace,
} from './kafka-checks.ts';
import { KafkaPartition } from './kafka-partition.ts';
import type { KafkaSourceOptions } from './kafka-source.ts';
import { partitionsAt, topicEpochs } from './topic-epochs.ts';

/** Partitions of one topic that are ours. */
export interface Share {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** What is known of the topics that are read: their registrations, and the checks that hang on them. */
export class KafkaTopics {
  private readonly options: KafkaSourceOptions;
  private registrations: ReadonlyMap<string, TopicRegistration> = new Map();
  names: readonly string[] = [];
  /** What the store said last of each topic's positions: an anchor stays in its log, so an old answer still tells logs apart. */
  private readonly stored = new Map<string, readonly StoredPosition[]>();

  constructor(options: KafkaSourceOptions) {
    this.options = options;
  }

  partitionCount(topic: string, epoch: number | null): number {
    const registration = this.registrations.get(topic);
    if (registration === undefined) return 0;
    return epoch === null ? registration.partitions : partitionsAt(registration, epoch);
  }

  /** All checks that need no assignment. Resolves with the topics to read; rejects with E2002, E2003, E2004 or the store's error. */
  async check(admin: Admin): Promise<readonly string[]> {
    const { groupId, onEvent, registry, topics } = this.options;
    this.names = await chooseTopics(admin, topics);
    await refuseCompacted(admin, this.names, onEvent);
    this.registrations = await registerTopics(admin, registry, this.names, onEvent);
    for (const topic of this.names) this.stored.set(topic, await registry.positions(topic));
    for (const range of await partitionRanges(admin, groupId, this.names))
      startPlace(range, storedOf(this.stored.get(range.topic) ?? [], range));
    return this.names;
  }

  /** Again at each assignment. A registry that cannot be reached does not stop reading: what it said last still holds. */
  async recheck(admin: Admin): Promise<void> {
    await chooseTopics(admin, this.names);
    const counts = await partitionCounts(admin, this.names);
    const registrations = new Map(this.registrations);
    for (const [topic, partitions] of counts) {
      const found = await this.ask(() => this.options.registry.registration(topic), null);
      const registration = found ?? registrations.get(topic);
      if (registration === undefined) continue;
      refuseOtherCount(registration, partitions);
      registrations.set(topic, registration);
    }
    this.registrations = registrations;
  }

  /** What the store knows of all positions. To be asked before the broker: what is settled meanwhile may lie above an older log end. */
  async positions(): Promise<readonly StoredPosition[]> {
    const { registry } = this.options;
    for (const topic of this.names)
      this.stored.set(topic, await this.ask(() => registry.positions(topic), this.stored.get(topic) ?? []));
    return [...this.stored.values()].flat();
  }

  /** The partitions of our share, each where reading starts. Errors: E2002, E2003. */
  open(
    shares: readonly Share[],
    { ranges, stored }: { ranges: readonly PartitionRange[]; stored: readonly StoredPosition[] },
    emit: (batch: RecordBatch) => void,
  ): readonly KafkaPartition[] {
    const { inFlight } = this.options;
    const opened: KafkaPartition[] = [];
    for (const { topic, partitions } of shares) {
      const registration = this.registrations.get(topic);
      for (const range of ranges) {
        if (range.topic !== topic || !partitions.includes(range.partition) || registration === undefined) continue;
        const start = startPlace(range, storedOf(stored, range));
        const log = new PartitionLog(topic, range.partition, start.from, inFlight);
        const epochAt = topicEpochs(registration, range.partition);
        opened.push(new KafkaPartition({ log, start, epochAt, inFlight, emit }));
      }
    }
    return opened;
  }

  private async ask<T>(question: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await question();
    } catch {
      const detail = 'the registry cannot be reached: this assignment is checked without it';
      this.options.onEvent({ type: 'warning', detail });
      return otherwise;
    }
  }
}

function storedOf(positions: readonly StoredPosition[], range: PartitionRange): StoredPosition | null {
  return positions.find((one) => one.topic === range.topic && one.partition === range.partition) ?? null;
}
