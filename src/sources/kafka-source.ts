import { Observable, type SchedulerLike } from 'rxjs';
import type { RecordSource } from '../pipeline/ports.ts';
import type { InFlight } from '../pipeline/position.ts';
import type { TopicChoice, TopicRegistry } from './kafka-checks.ts';
import type { KafkaClientOptions } from './kafka-client.ts';
import { KafkaReading } from './kafka-reading.ts';

export interface KafkaSourceOptions extends KafkaClientOptions {
  readonly groupId: string;
  /** Names, or `{ pattern }`, a glob that is matched against the topics there are at start. */
  readonly topics: TopicChoice;
  /** Pauses the consumer at its limit; charged for every record until the parser gives it back. */
  readonly inFlight: InFlight;
  readonly registry: TopicRegistry;
  readonly scheduler: SchedulerLike;
  /** Milliseconds between commits. Default 500. */
  readonly commitIntervalMs?: number;
  /** Milliseconds without a heartbeat after which the group gives our partitions to others. Default 30000. */
  readonly sessionTimeoutMs?: number;
  /** Bytes of one partition in a fetch. Default 1 MiB. A larger record batch still comes through, alone. */
  readonly maxBytesPerPartition?: number;
  /** Bytes of one fetch. Default 2 MiB. */
  readonly maxBytes?: number;
  /** Bytes that the broker gathers before it answers a fetch, unless `maxWaitMs` has passed. Default 1: what there is. */
  readonly minBytes?: number;
  /** How long the broker may wait for data, and the longest wait after a pause. Milliseconds, default 300. */
  readonly maxWaitMs?: number;
  /** How often topics are looked at anew, for added partitions above all. Milliseconds, default 60000. */
  readonly metadataMaxAgeMs?: number;
}

export interface KafkaSource extends RecordSource {
  /** Number of partitions of a topic as registered, in an epoch or now; 0 before `records` is subscribed and checked. */
  partitionCount(topic: string, epoch?: number): number;
}

/**
 * Reads topics as a member of a consumer group and commits what is settled, and nothing else.
 *
 * Delivery: topics, partition counts, the committed offsets and the last settled record are checked before anything is
 * read, at start and at each assignment (delivery.md 1.5). After an assignment everything unsettled is read again.
 *
 * `records` can be subscribed once. It errs with E2001 when Kafka cannot be reached at start or the consumer dies, E2002
 * when the log is not the registered one, E2003 when records are out of reach, E2004 when a topic is unfit, and with what
 * the registry says when it cannot be reached at start. `close` is owed after it has ended, however it ended.
 *
 * @example
 * const source = kafkaSource({ brokers: ['localhost:9092'], groupId: 'sluice', topics: ['shop'], inFlight, registry,
 *   scheduler: asyncScheduler, onEvent: () => undefined });
 */
export function kafkaSource(options: KafkaSourceOptions): KafkaSource {
  const reading = new KafkaReading(options);
  return {
    records: new Observable((subscriber) => reading.start(subscriber)),
    assignments: reading.assignments,
    stop: () => reading.stop(),
    commit: () => reading.commit(),
    close: () => reading.close(),
    partitionCount: (topic, epoch) => reading.partitionCount(topic, epoch ?? null),
  };
}
