import { nextRegistration } from '../../src/pipeline/epoch-bump.ts';
import type { SluiceError } from '../../src/pipeline/errors.ts';
import type { World } from './world.ts';

/** The person on duty: does what the refusals say, and nothing else. */
export class Operator {
  private readonly world: World;
  private isWorking = false;
  /** What has been done to the log since the registration. */
  private change: 'none' | 'recreated' | 'partitions' = 'none';
  /** Called when the change of the log is dealt with. */
  private onBumped: () => void = () => undefined;
  private detour: { table: string; topic: string } | null = null;

  constructor(world: World) {
    this.world = world;
  }

  get isBusy(): boolean {
    return this.isWorking;
  }

  /** The topics were made again and the operator does not know it yet: commits may be meant for the former ones. */
  get isLogStrange(): boolean {
    return this.change === 'recreated';
  }

  /** Somebody has changed the log; nobody has told the operator. */
  logChanged(change: 'recreated' | 'partitions', onBumped: () => void): void {
    this.change = change;
    this.onBumped = onBumped;
  }

  /** Somebody has edited the routing; nobody has told the operator. */
  routingChanged(table: string, topic: string): void {
    this.detour = { table, topic };
  }

  /**
   * A table is held because it came from another topic: the routing is put right, and when all that went astray is
   * parked, its bodies are removed while nothing runs and Canal sends it again to where it belongs.
   */
  pairingBroken(): void {
    const { upstream } = this.world;
    if (this.detour === null || this.isWorking) return;
    this.isWorking = true;
    upstream.detours.delete(this.detour.table);
    this.whenStrayIsParked(this.detour);
  }

  private whenStrayIsParked(detour: { table: string; topic: string }): void {
    const { world } = this;
    const { kafka } = world;
    const high = kafka.partition(detour.topic, 0)?.high ?? 0;
    if ((kafka.committed.get(`${detour.topic}/0`) ?? 0) < high) {
      world.clock.after(1000, () => this.whenStrayIsParked(detour));
      return;
    }
    world.isClosed = true;
    for (const instance of [...world.instances]) instance.stop();
    this.whenGroupIsEmpty(() => {
      const { sometimes, store, truth, upstream } = world;
      sometimes.hit('routing mended');
      this.detour = null;
      truth.forgetDetour(detour.table, detour.topic);
      for (const [name, row] of store.parkedKeys)
        if (row.tableName === `shop.${detour.table}` && row.topic === detour.topic) store.parkedKeys.delete(name);
      upstream.rewind(Math.max(0, upstream.sent.length - upstream.strayFrom), detour.table);
    });
  }

  /** An instance has refused to read: everything is stopped, an epoch is begun, everything started again. */
  refused(error: SluiceError): void {
    const { world } = this;
    if (this.isWorking) return;
    // The anchor may go with the start of the log just after it was asked for: the next start does without it.
    if (this.change === 'none' && error.code === 'E2003' && world.profile.faults.has('retention')) return;
    if (this.change === 'none') {
      world.oracle.violate('an instance refused a log that is the registered one');
      return;
    }
    this.isWorking = true;
    world.isClosed = true;
    for (const instance of [...world.instances]) instance.stop();
    this.whenGroupIsEmpty(() => this.bump());
  }

  /** Stops are in order, but a process may hang: after half a minute it is killed. */
  private whenGroupIsEmpty(act: () => void, triesLeft = 30): void {
    const { world } = this;
    if (triesLeft === 0) for (const instance of [...world.instances]) world.kill(instance);
    const isQuiet = world.instances.length === 0 && world.kafka.members.size === 0 && world.network.underway === 0;
    if (!isQuiet) {
      world.clock.after(1000, () => this.whenGroupIsEmpty(act, triesLeft - 1));
      return;
    }
    act();
    world.isClosed = false;
    this.isWorking = false;
    world.supervise();
  }

  /** `sluice epoch bump`. */
  private bump(): void {
    const { kafka, sometimes, store, topics, truth } = this.world;
    const isRecreated = this.change === 'recreated';
    sometimes.hit(isRecreated ? 'epoch begun after re-creation' : 'epoch begun after added partitions');
    for (const topic of topics) {
      const registration = store.registration(topic);
      if (registration === null) continue;
      const ranges = kafka.topic(topic).partitions.map(({ high, low }, partition) => ({ partition, low, high }));
      store.register(nextRegistration(registration, ranges, isRecreated));
      if (!isRecreated) {
        truth.beginEpoch(
          topic,
          ranges.map(({ partition, high }) => (partition < registration.partitions ? high : 0)),
        );
        continue;
      }
      for (const { low, partition } of ranges) kafka.committed.set(`${topic}/${partition}`, low);
      store.savePositions(
        ranges.map(({ low, partition }) => {
          const fresh = { anchor: null, deletesChecked: low, candidate: low, candidateSinceMs: this.world.clock.nowMs };
          return { topic, partition, settled: low, ...fresh };
        }),
      );
    }
    this.change = 'none';
    this.onBumped();
  }
}
