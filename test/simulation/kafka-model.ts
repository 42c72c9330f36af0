import type { VirtualClock } from './clock.ts';
import type { Random } from './random.ts';

export interface LogEntry {
  readonly offset: number;
  readonly timestampMs: number;
  readonly value: Buffer | null;
  /** A transaction marker: it has an offset and is never handed out. */
  readonly isControl: boolean;
}

export class PartitionModel {
  /** First offset that is still there. */
  low = 0;
  readonly entries: LogEntry[] = [];
  private waiting: (() => void)[] = [];

  get high(): number {
    return this.entries.length;
  }

  append(timestampMs: number, value: Buffer | null, isControl = false): number {
    const offset = this.entries.length;
    this.entries.push({ offset, timestampMs, value, isControl });
    const waiting = this.waiting;
    this.waiting = [];
    for (const wake of waiting) wake();
    return offset;
  }

  /** Calls back once, when something is appended. */
  whenAppended(wake: () => void): void {
    this.waiting.push(wake);
  }
}

export interface TopicModel {
  readonly name: string;
  /** How often the topic was made before. */
  readonly incarnation: number;
  readonly partitions: PartitionModel[];
}

/** A member of the consumer group, as the coordinator knows it. */
export interface Member {
  readonly id: string;
  /** Takes the member its share; nothing comes of it where the member cannot be reached. */
  readonly assign: (generation: number, share: readonly TopicShare[]) => void;
  /** Whether its heartbeats would come. */
  readonly isAlive: () => boolean;
}

export interface TopicShare {
  readonly topic: string;
  readonly partitions: readonly number[];
}

const UNKNOWN_MEMBER = 'UNKNOWN_MEMBER_ID';
const OLD_GENERATION = 'ILLEGAL_GENERATION';
/** Why a commit is not taken, as the messages of the errors tell. */
export const REFUSED_COMMITS: ReadonlySet<string> = new Set([UNKNOWN_MEMBER, OLD_GENERATION]);

/** Kafka: logs, committed offsets and the coordinator of one group. */
export class KafkaModel {
  readonly topics = new Map<string, TopicModel>();
  readonly committed = new Map<string, number>();
  readonly members = new Map<string, Member>();
  generation = 0;
  rebalances = 0;
  private memberIds = 0;
  private readonly silentSince = new Map<string, number>();
  private readonly lastCommits = new Map<string, number>();
  private isRebalancing = false;
  private readonly clock: VirtualClock;
  private readonly random: Random;
  /** Hears of a commit before it counts. */
  onCommit: (topic: string, partition: number, offset: number) => void = () => undefined;

  constructor(clock: VirtualClock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  create(name: string, partitions: number): TopicModel {
    const incarnation = (this.topics.get(name)?.incarnation ?? -1) + 1;
    const topic = { name, incarnation, partitions: Array.from({ length: partitions }, () => new PartitionModel()) };
    this.topics.set(name, topic);
    for (const place of [...this.committed.keys()]) if (place.startsWith(`${name}/`)) this.committed.delete(place);
    return topic;
  }

  addPartitions(name: string, more: number): void {
    for (let i = 0; i < more; i += 1) this.topic(name).partitions.push(new PartitionModel());
  }

  topic(name: string): TopicModel {
    const topic = this.topics.get(name);
    if (topic === undefined) throw new Error(`there is no topic ${name}`);
    return topic;
  }

  /** Null where the topic has not so many partitions. */
  partition(topic: string, partition: number): PartitionModel | null {
    return this.topics.get(topic)?.partitions[partition] ?? null;
  }

  newMemberId(name: string): string {
    this.memberIds += 1;
    return `${name}-${String(this.memberIds).padStart(6, '0')}`;
  }

  join(member: Member): void {
    this.members.set(member.id, member);
    this.rebalance();
  }

  leave(id: string): void {
    if (this.members.delete(id)) this.rebalance();
  }

  /** Of members of an earlier generation nothing is taken. */
  commit(
    id: string,
    { generation, number }: { generation: number; number: number },
    offsets: readonly { topic: string; partition: number; offset: number }[],
  ): void {
    if (!this.members.has(id)) throw new Error(UNKNOWN_MEMBER);
    if (generation !== this.generation) throw new Error(OLD_GENERATION);
    // One member's requests keep their order, however late they are.
    if (number < (this.lastCommits.get(id) ?? 0)) return;
    this.lastCommits.set(id, number);
    for (const { topic, partition, offset } of offsets) {
      this.onCommit(topic, partition, offset);
      this.committed.set(`${topic}/${partition}`, offset);
    }
  }

  rebalance(): void {
    if (this.isRebalancing) return;
    this.isRebalancing = true;
    this.clock.after(this.random.between(20, 2000), () => this.share());
  }

  private share(): void {
    this.isRebalancing = false;
    this.generation += 1;
    this.rebalances += 1;
    for (const member of this.members.values()) {
      const { generation } = this;
      this.clock.after(this.random.between(1, 200), () => {
        if (generation === this.generation) member.assign(generation, this.shareOf(member.id));
      });
    }
  }

  /** Gives up members that have not been heard of for a session time-out; to be called every now and then. Returns how many. */
  expire(sessionMs: number): number {
    let expired = 0;
    for (const member of [...this.members.values()]) {
      if (member.isAlive()) {
        this.silentSince.delete(member.id);
        continue;
      }
      const since = this.silentSince.get(member.id) ?? this.clock.nowMs;
      this.silentSince.set(member.id, since);
      if (this.clock.nowMs - since < sessionMs) continue;
      this.leave(member.id);
      expired += 1;
    }
    return expired;
  }

  /** The share of a member in this generation. */
  shareOf(id: string): TopicShare[] {
    const ids = [...this.members.keys()].sort();
    const own = ids.indexOf(id);
    if (own < 0) return [];
    // Turned on by the generation, so that partitions do not always stay where they were.
    const turn = (own + this.generation) % ids.length;
    let place = 0;
    return [...this.topics.values()].map(({ name, partitions }) => ({
      topic: name,
      partitions: partitions.map((_, i) => i).filter(() => place++ % ids.length === turn),
    }));
  }
}
