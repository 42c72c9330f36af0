import { nextRegistration } from '../../src/pipeline/epoch-bump.ts';
import type { World } from './world.ts';

/** The person on duty: does what the refusals say, and nothing else. */
export class Operator {
  private readonly world: World;
  private isWorking = false;
  /** What has been done to the log since the registration. */
  private change: 'none' | 'recreated' | 'partitions' = 'none';
  /** Called when the change of the log is dealt with. */
  private onBumped: () => void = () => undefined;
  private onPairingBroken: () => void = () => undefined;

  constructor(world: World) {
    this.world = world;
  }

  get isBusy(): boolean {
    return this.isWorking;
  }

  /** Somebody has changed the log; nobody has told the operator. */
  logChanged(change: 'recreated' | 'partitions', onBumped: () => void): void {
    this.change = change;
    this.onBumped = onBumped;
  }

  /** Somebody has edited the routing; nobody has told the operator. */
  routingChanged(onPairingBroken: () => void): void {
    this.onPairingBroken = onPairingBroken;
  }

  pairingBroken(): void {
    const mend = this.onPairingBroken;
    this.onPairingBroken = () => undefined;
    mend();
  }

  /** An instance has refused to read: everything is stopped, an epoch is begun, everything started again. */
  refused(): void {
    const { world } = this;
    if (this.isWorking) return;
    if (this.change === 'none') {
      world.oracle.violate('an instance refused a log that is the registered one');
      return;
    }
    this.isWorking = true;
    world.isClosed = true;
    for (const instance of [...world.instances]) instance.stop();
    this.whenGroupIsEmpty();
  }

  private whenGroupIsEmpty(): void {
    const { world } = this;
    if (world.instances.length > 0 || world.kafka.members.size > 0) {
      world.clock.after(1000, () => this.whenGroupIsEmpty());
      return;
    }
    this.bump();
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
