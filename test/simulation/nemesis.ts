import type { Process } from './clock.ts';
import { GOOD_MOOD } from './elasticsearch-model.ts';
import type { Instance } from './instance.ts';
import { CALM, type Server, type Weather } from './network.ts';
import type { Fault } from './profile.ts';
import { breakRedis } from './redis-faults.ts';
import type { World } from './world.ts';

/**
 * Calls after which a caller that dies leaves half of what it was about. Those that are made all the time meet crashes
 * anyway; un-parking has most to lose, and comes most seldom.
 */
const CHANGING_CALLS = [
  'unpark',
  'unpark',
  'park',
  'writeLetters',
  'closeLetters',
  'setLetterState',
  'recordGaps',
].concat(['register', 'pair', 'savePositions', 'bulk']);

/** Does harm: each fault begins at once and ends by itself, or when the run heals. */
export class Nemesis {
  private readonly world: World;
  private isOver = false;
  private hasRebuilt = false;

  constructor(world: World) {
    this.world = world;
  }

  begin(fault: Fault): void {
    const { random, sometimes } = this.world;
    if (this.isOver) return;
    const durationMs = random.between(200, Math.min(this.world.profile.maxPauseMs, 20_000));
    if (this.make(fault, durationMs)) sometimes.hit(`fault ${fault}`);
  }

  /** Ends everything: servers answer, nobody sleeps, enough instances run. A trap stays: much is only done on the way back. */
  heal(): void {
    this.isOver = true;
    const { index, instances, profile, servers } = this.world;
    for (const server of [servers.kafka, servers.redis, servers.control, servers.index, ...servers.shards]) {
      server.isUp = true;
      server.weather = CALM;
    }
    index.mood = GOOD_MOOD;
    index.moods.clear();
    this.world.wanted = Math.max(1, Math.min(this.world.wanted, profile.instances));
    for (const instance of instances) {
      if (!profile.isPatient) this.wake(instance);
      this.reconnect(instance);
    }
    this.world.supervise();
  }

  /** False when there was nothing to do it to. */
  private make(fault: Fault, durationMs: number): boolean {
    const { world } = this;
    const { index, instances, random, servers, upstream } = world;
    const instance = instances.length === 0 ? null : random.pick(instances);
    switch (fault) {
      case 'crash':
        if (instance !== null) world.kill(instance);
        return instance !== null;
      case 'pause':
        return instance !== null && this.pause(instance);
      case 'stop':
        instance?.stop();
        return instance !== null;
      case 'scale':
        world.wanted = random.between(1, 3);
        if (instances.length > world.wanted) instances.at(-1)?.stop();
        world.supervise();
        return true;
      case 'kafka-cut':
        return instance !== null && this.cut(instance);
      case 'kafka-down':
        return this.down(servers.kafka, durationMs);
      case 'redis':
        return breakRedis(world, durationMs);
      case 'journal-down':
        return this.down(random.pick(servers.shards), durationMs);
      case 'store-down':
        return this.down(servers.control, durationMs);
      case 'index-down':
        return this.down(servers.index, durationMs);
      case 'index-red':
      case 'index-overload':
      case 'index-answers':
      case 'index-auth':
        return this.spoil(fault, durationMs);
      case 'index-restart':
        index.restart();
        return true;
      case 'lossy-store':
        return this.storm([servers.control, ...servers.shards], durationMs);
      case 'lossy-index':
        return this.storm([servers.index], durationMs);
      case 'lossy-kafka':
        return this.storm([servers.kafka], durationMs);
      case 'rewind':
        upstream.rewind(random.between(1, 12));
        return true;
      case 'clock':
        world.skewMs = random.pick(world.profile.isForgetful ? [-5000, 5000, 30_000] : [-3_600_000, -5000, 60_000]);
        return true;
      case 'recreate':
      case 'add-partition':
      case 'reroute':
        if (this.hasRebuilt) return false;
        this.hasRebuilt = true;
        if (fault === 'recreate') return this.recreate();
        return fault === 'reroute' ? this.reroute() : this.addPartition();
      case 'redrive':
        return world.store.requestRedrive({ reason: 'document_parsing_exception' }) > 0;
      case 'retention':
        return this.retain();
      case 'crash-at-call':
        return this.crashAtCall();
    }
  }

  /** Kills whoever makes the next call of a kind, when it has been applied and is not yet answered. */
  private crashAtCall(): boolean {
    const { network, random } = this.world;
    const spring = (caller: Process): void => {
      const instance = this.world.instances.find(({ process }) => process === caller);
      if (instance === undefined) return;
      this.world.sometimes.hit('killed at a call');
      this.world.kill(instance);
    };
    network.trap = { what: random.pick(CHANGING_CALLS), spring };
    return true;
  }

  private down(server: Server, durationMs: number): boolean {
    server.isUp = false;
    this.world.clock.after(durationMs, () => {
      server.isUp = true;
    });
    return true;
  }

  private storm(servers: readonly Server[], durationMs: number): boolean {
    const { clock, random } = this.world;
    const weather: Weather = {
      refused: random.pick([0, 0.2]),
      lost: random.pick([0, 0.2]),
      lostReply: random.pick([0.1, 0.4]),
      late: random.pick([0, 0.2]),
      slow: random.pick([0, 0.3]),
    };
    for (const server of servers) server.weather = weather;
    clock.after(durationMs, () => {
      for (const server of servers) server.weather = CALM;
    });
    return true;
  }

  private spoil(fault: Fault, durationMs: number): boolean {
    const { clock, index, profile, random } = this.world;
    if (fault === 'index-red') {
      const name = `shop_${random.pick(profile.tables)}`;
      const isBlocked = random.chance(0.5);
      index.moods.set(name, { isRed: !isBlocked, isBlocked });
      clock.after(durationMs, () => index.moods.delete(name));
      return true;
    }
    if (fault === 'index-overload') index.mood = { ...index.mood, overload: random.pick([0.3, 0.9, 1]) };
    else if (fault === 'index-auth') index.mood = { ...index.mood, isUnauthorized: true };
    else {
      const garbled = random.pick([0, 0.3]);
      index.mood = { ...index.mood, failing: 0.2, proxy: 0.2, garbled, maxBody: random.pick([200, 400, 1e9]) };
    }
    clock.after(durationMs, () => {
      index.mood = GOOD_MOOD;
    });
    return true;
  }

  private pause(instance: Instance): boolean {
    const { clock, profile, random } = this.world;
    if (instance.process.isPaused) return false;
    instance.process.pause();
    const leastMs = profile.isPatient ? profile.maxPauseMs * 0.6 : 500;
    clock.after(random.between(leastMs, profile.maxPauseMs), () => this.wake(instance));
    return true;
  }

  private wake(instance: Instance): void {
    if (!instance.process.isPaused) return;
    instance.process.resume();
    this.heartbeatLater(instance);
  }

  private cut(instance: Instance): boolean {
    const { clock, profile, random } = this.world;
    instance.kafkaLink.isUp = false;
    clock.after(random.between(500, profile.maxPauseMs), () => this.reconnect(instance));
    return true;
  }

  private reconnect(instance: Instance): void {
    if (instance.kafkaLink.isUp) return;
    instance.kafkaLink.isUp = true;
    this.heartbeatLater(instance);
  }

  private heartbeatLater(instance: Instance): void {
    const { clock, random } = this.world;
    clock.after(random.between(10, 3000), () => {
      if (!instance.process.isDead) instance.consumer.heartbeat();
    });
  }

  /** The topic is deleted and made again; Canal begins anew a little before where it was. Instances die of the missing topic. */
  private recreate(): boolean {
    const { clock, kafka, operator, profile, random, store, topics, truth, upstream } = this.world;
    // What was read but never mirrored cannot be told from another log: the first second of a topic is not protected.
    const isRead = topics.some((topic) => store.positions(topic).some(({ anchor }) => anchor !== null));
    if (!isRead || topics.some((topic) => !this.isKnown(topic))) return false;
    for (const instance of [...this.world.instances]) this.world.kill(instance);
    const unsettled = topics.some((topic) =>
      kafka.topic(topic).partitions.some(({ high }, p) => (kafka.committed.get(`${topic}/${p}`) ?? 0) < high),
    );
    for (const topic of topics) {
      kafka.create(topic, kafka.topic(topic).partitions.length);
      truth.recreate(topic);
    }
    upstream.rewind(unsettled ? upstream.sent.length : random.between(0, upstream.sent.length));
    operator.logChanged('recreated', () => undefined);
    clock.after(random.between(100, 5000), () => this.world.supervise());
    return profile.partitions > 0;
  }

  /** Whether the store knows a record of every partition that has any. */
  private isKnown(topic: string): boolean {
    const { kafka, store } = this.world;
    const known = store.positions(topic).filter(({ anchor }) => anchor !== null);
    return kafka
      .topic(topic)
      .partitions.every(({ high }, p) => high === 0 || known.some(({ partition }) => partition === p));
  }

  /**
   * Partitions are added, and nobody stops Canal or sluice. Canal uses them when an epoch has begun, or when instances go
   * on reading as if nothing had happened.
   */
  private addPartition(): boolean {
    const { clock, kafka, operator, random, store, topics, upstream } = this.world;
    const [topic] = topics;
    if (topic === undefined || store.registration(topic) === null) return false;
    const { partitions } = kafka.topic(topic);
    kafka.addPartitions(topic, random.between(1, 2));
    const addedMs = clock.nowMs;
    const use = (): void => {
      if (upstream.partitions === partitions.length) return;
      upstream.partitions = partitions.length;
      for (let i = 0; i < 8; i += 1) clock.after(random.between(10, 3000), () => upstream.write());
    };
    operator.logChanged('partitions', use);
    const watch = (): void => {
      if (this.world.instances.some(({ consumer }) => consumer.beganMs > addedMs)) use();
      else if (clock.nowMs - addedMs < 120_000) clock.after(1000, watch);
    };
    watch();
    clock.after(random.between(100, 10_000), () => kafka.rebalance());
    return true;
  }

  /** A table's rows go to another table's topic, until somebody hears of it and sends them again to their own. */
  private reroute(): boolean {
    const { operator, profile, store, upstream } = this.world;
    const [first, second] = profile.tables;
    if (first === undefined || second === undefined || !store.pairings.some(({ table }) => table === `shop.${first}`))
      return false;
    upstream.detours.set(first, second);
    operator.routingChanged(first, second);
    return true;
  }

  /** The log loses what was committed long ago. */
  private retain(): boolean {
    const { kafka, operator, random, topics } = this.world;
    if (operator.isLogStrange) return false;
    let isShorter = false;
    for (const topic of topics) {
      for (const [p, log] of kafka.topic(topic).partitions.entries()) {
        const low = random.between(log.low, Math.max(log.low, kafka.committed.get(`${topic}/${p}`) ?? 0));
        isShorter ||= low > log.low;
        log.low = low;
      }
    }
    return isShorter;
  }
}
