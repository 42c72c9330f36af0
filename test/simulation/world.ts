import type { PipelineEvent } from '../../src/pipeline/events.ts';
import { BufferModel } from './buffer-model.ts';
import { VirtualClock } from './clock.ts';
import { ElasticsearchModel } from './elasticsearch-model.ts';
import { type Backends, Instance, isRefusal, type Servers } from './instance.ts';
import { KafkaModel } from './kafka-model.ts';
import { Network, Server } from './network.ts';
import { Operator } from './operator.ts';
import { Oracle, WatchedStore } from './oracle.ts';
import type { Profile } from './profile.ts';
import { Random } from './random.ts';
import type { Sometimes } from './sometimes.ts';
import { Truth } from './truth.ts';
import { Upstream } from './upstream.ts';

const START_MS = 1_900_000_000_000;
const SESSION_MS = 6000;

/** Everything there is in one run: servers, instances, upstream, operator and oracle. */
export class World {
  readonly profile: Profile;
  readonly sometimes: Sometimes;
  readonly random: Random;
  readonly clock = new VirtualClock(START_MS);
  readonly network: Network;
  readonly servers: Servers;
  readonly kafka: KafkaModel;
  readonly store: WatchedStore;
  readonly index: ElasticsearchModel;
  readonly buffer: BufferModel;
  readonly truth = new Truth();
  readonly upstream: Upstream;
  readonly operator: Operator;
  readonly oracle: Oracle;
  readonly topics: readonly string[];
  instances: Instance[] = [];
  /** How many instances there should be: the supervisor starts what has ended. */
  wanted: number;
  /** Nothing is started while the operator works. */
  isClosed = false;
  /** Poison is no poison any more. */
  isMended = false;
  /** How far the wall clock is off that instances started now will go by for the rest of their lives. */
  skewMs = 0;
  private started = 0;

  constructor(profile: Profile, sometimes: Sometimes) {
    this.profile = profile;
    this.sometimes = sometimes;
    this.random = new Random(profile.seed ^ 0x5eed);
    this.wanted = profile.instances;
    const { clock, random, truth } = this;
    this.network = new Network(clock, random, sometimes, Math.min(60_000, profile.maxPauseMs));
    this.servers = {
      kafka: new Server('kafka'),
      redis: new Server('redis', { timeoutMs: 500 }),
      control: new Server('store'),
      shards: Array.from({ length: profile.shards }, (_, i) => new Server(`shard-${i}`)),
      index: new Server('index', { timeoutMs: 5000 }),
    };
    this.kafka = new KafkaModel(clock, random);
    this.store = new WatchedStore(() => clock.nowMs);
    this.index = new ElasticsearchModel({
      now: () => clock.nowMs,
      random: random.next,
      gcDeletesMs: profile.options.gcDeletesMs,
      onWrite: (write) => this.heardWrite(write),
    });
    this.buffer = new BufferModel(() => clock.nowMs);
    const { journalChanges } = profile.options;
    this.oracle = new Oracle({
      truth,
      store: this.store,
      index: this.index,
      journalChanges,
      isMended: () => this.isMended,
      isOwner: (topic, partition) => this.isCallers(topic, partition),
      onOvertaken: () => sometimes.hit('letter overtaken in flight'),
    });
    this.store.oracle = this.oracle;
    this.kafka.onCommit = (topic, partition, offset) => {
      if (!this.operator.isLogStrange) this.oracle.committed(topic, partition, offset);
    };
    this.topics = profile.routing === 'topic-per-table' ? [...profile.tables] : ['shop'];
    for (const topic of this.topics) this.kafka.create(topic, profile.partitions);
    this.upstream = new Upstream({ ...profile, clock, random, kafka: this.kafka, truth });
    this.operator = new Operator(this);
    this.expireMembers();
  }

  /** Starts instances until there are as many as wanted. */
  supervise(): void {
    while (!this.isClosed && this.instances.length < this.wanted) this.start();
  }

  start(): Instance {
    const { kafka, index, network, profile, servers, store, topics } = this;
    this.started += 1;
    const backends: Backends = { kafka, store, index, buffer: this.buffer };
    const instance: Instance = new Instance({
      name: `i${this.started}`,
      profile,
      network,
      servers,
      backends,
      topics,
      skewMs: this.skewMs,
      onEvent: (event) => this.heard(event),
      onEnd: (error) => this.ended(instance, error),
    });
    this.instances.push(instance);
    return instance;
  }

  /** Ends a process without a word. The group finds out after its session time-out, the supervisor sooner. */
  kill(instance: Instance): void {
    instance.kill();
    this.gone(instance);
  }

  private expireMembers(): void {
    const expired = this.kafka.expire(SESSION_MS);
    if (expired > 0) this.sometimes.hit('member expired', expired);
    this.clock.after(1500, () => this.expireMembers());
  }

  private isCallers(topic: string, partition: number): boolean {
    const caller = this.instances.find(({ process }) => process === this.network.caller);
    const share = caller === undefined ? [] : this.kafka.shareOf(caller.consumer.memberId);
    return share.some((one) => one.topic === topic && one.partitions.includes(partition));
  }

  private gone(instance: Instance): void {
    this.instances = this.instances.filter((one) => one !== instance);
    this.clock.after(this.random.between(500, 8000), () => this.supervise());
  }

  private ended(instance: Instance, error: unknown): void {
    this.gone(instance);
    if (error === null) return;
    if (isRefusal(error)) {
      this.sometimes.hit('log refused');
      this.operator.refused(error);
    } else this.sometimes.hit('instance ended by an error');
  }

  private heard(event: PipelineEvent): void {
    const { sometimes } = this;
    if (event.type === 'held') {
      sometimes.hit(event.errorType.startsWith('paired-with') ? 'pairing held' : 'index held');
      if (event.errorType.startsWith('paired-with')) this.operator.pairingBroken();
    } else if (event.type === 'deletes-checked') {
      sometimes.hit('deletes checked');
      if (event.repeated > 0) sometimes.hit('delete repeated');
    } else if (event.type === 'recovered') sometimes.hit('keys recovered');
    else if (event.type === 'dead-lettered') sometimes.hit('dead-lettered');
    else if (event.type === 'parked') sometimes.hit('keys parked');
    else if (event.type === 'superseded-in-flight') sometimes.hit('superseded in flight');
    else if (event.type === 'journal-gap') sometimes.hit('journal gap');
    else if (event.type === 'window' && event.cause === 'cap') sometimes.hit('window closed by cap');
    else if (event.type === 'bulk' && event.conflicts > 0) sometimes.hit('conflict');
    else if (event.type === 'retrying') sometimes.hit('items retried');
  }

  private heardWrite(write: {
    index: string;
    id: string;
    before: number | null;
    version: number;
    outcome: string;
  }): void {
    this.oracle.written(write);
    this.network.note(write.id, write.outcome, String(write.version));
  }
}
