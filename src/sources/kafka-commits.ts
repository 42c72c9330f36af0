import type { Consumer, ConsumerCommitOffsetsEvent } from 'kafkajs';
import { SluiceError } from '../pipeline/errors.ts';
import type { PartitionLog } from '../pipeline/position.ts';

/**
 * Commits the settled positions of the assignment in force, never anything else: logs of an earlier assignment are gone
 * from here the moment a new one begins, so a late settlement cannot commit what now belongs to another member.
 */
export class KafkaCommits {
  private readonly consumer: Pick<Consumer, 'commitOffsets'>;
  private logs: readonly PartitionLog[] = [];
  private readonly committed = new Map<string, number>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(consumer: Pick<Consumer, 'commitOffsets'>) {
    this.consumer = consumer;
  }

  /** Starts an assignment, whose logs begin at what is committed; an empty one between two assignments. */
  begin(logs: readonly PartitionLog[]): void {
    this.logs = logs;
    this.committed.clear();
    for (const log of logs) this.committed.set(placeOf(log), log.settled);
  }

  /**
   * Takes note of what the broker has accepted. Only this event proves a commit: after `stop()` or in a restart kafkajs
   * resolves `commitOffsets` and sends nothing.
   */
  hear({ payload }: Pick<ConsumerCommitOffsetsEvent, 'payload'>): void {
    for (const { topic, partitions } of payload.topics)
      for (const { partition, offset } of partitions) {
        const place = placeOf({ topic, partition });
        if (this.committed.has(place)) this.committed.set(place, Number(offset));
      }
  }

  /**
   * Commits every position that moved, after the commit before has ended. Resolves with the number of partitions.
   * Errors: E2001, retriable, when the broker refuses or nothing was sent.
   */
  commit(): Promise<number> {
    const next = this.last.then(() => this.send());
    this.last = next.catch(() => undefined);
    return next;
  }

  private async send(): Promise<number> {
    const moved = this.logs.filter((log) => log.isCurrent && log.settled > this.committedOf(log));
    if (moved.length === 0) return 0;
    const offsets = moved.map((log) => ({ topic: log.topic, partition: log.partition, settled: log.settled }));
    try {
      await this.consumer.commitOffsets(
        offsets.map(({ topic, partition, settled }) => ({ topic, partition, offset: String(settled) })),
      );
    } catch (error) {
      throw new SluiceError('E2001', 'positions could not be committed', {
        detail: error instanceof Error ? error.message : '',
        remedy: 'What was read since the last commit is read again',
        retriable: true,
        cause: error,
      });
    }
    const unsent = offsets.find((one) => this.committedOf(one) < one.settled);
    if (unsent !== undefined && moved.some((log) => log.isCurrent)) {
      throw new SluiceError('E2001', 'positions could not be committed', {
        detail: 'the consumer is not in the group',
        remedy: 'What was read since the last commit is read again',
        retriable: true,
      });
    }
    return offsets.length;
  }

  private committedOf(place: { topic: string; partition: number }): number {
    return this.committed.get(placeOf(place)) ?? -1;
  }
}

function placeOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`;
}
