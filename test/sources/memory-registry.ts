import { SluiceError } from '../../src/pipeline/errors.ts';
import type { StoredPosition, TopicRegistration } from '../../src/pipeline/ports.ts';
import type { PartitionLog } from '../../src/pipeline/position.ts';
import type { TopicRegistry } from '../../src/sources/kafka-checks.ts';

/** The registry of a store, in memory. `isAway` makes every call fail as an unreachable store does. */
export class MemoryRegistry implements TopicRegistry {
  readonly registrations = new Map<string, TopicRegistration>();
  stored: readonly StoredPosition[] = [];
  isAway = false;

  async registration(topic: string): Promise<TopicRegistration | null> {
    this.answer();
    return this.registrations.get(topic) ?? null;
  }

  async register(registration: TopicRegistration): Promise<void> {
    this.answer();
    this.registrations.set(registration.topic, registration);
  }

  async positions(topic: string): Promise<readonly StoredPosition[]> {
    this.answer();
    return this.stored.filter((one) => one.topic === topic);
  }

  /** Stores positions and anchors as the service does every second. */
  mirror(logs: readonly PartitionLog[]): void {
    this.stored = logs.map(({ topic, partition, settled, anchor }) => {
      return { topic, partition, settled, anchor, deletesChecked: 0, candidate: 0, candidateSinceMs: 0 };
    });
  }

  private answer(): void {
    if (this.isAway) throw new SluiceError('E4001', 'the store is away', { remedy: 'Wait' });
  }
}
