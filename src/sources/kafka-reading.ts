import type { Consumer, ConsumerCrashEvent, Kafka } from 'kafkajs';
import {
  exhaustMap,
  firstValueFrom,
  interval,
  type Observable,
  type Subscriber,
  Subscription,
  type TeardownLogic,
  timer,
} from 'rxjs';
import type { RecordBatch } from '../pipeline/change.ts';
import { SluiceError } from '../pipeline/errors.ts';
import type { Assignment } from '../pipeline/ports.ts';
import { AssignmentFeed } from './assignment-feed.ts';
import { lendingSocket } from './kafka-answers.ts';
import { outsideLog, partitionRanges } from './kafka-checks.ts';
import { kafkaClient, kafkaError, outOfRangePlace, withAdmin } from './kafka-client.ts';
import { KafkaCommits } from './kafka-commits.ts';
import { KafkaIntake } from './kafka-intake.ts';
import type { KafkaPartition } from './kafka-partition.ts';
import { KafkaPause } from './kafka-pause.ts';
import type { KafkaSourceOptions } from './kafka-source.ts';
import { KafkaTopics, type Share } from './kafka-topics.ts';
import { patchFetches } from './kafkajs-patches.ts';

const RETRY_MS = 1000;

/**
 * One consumer and what it reads. States: idle, reading (from `start`), stopped (from `stop`, an unsubscription or a
 * failure: nothing is read, the membership stays), closed. Inside reading every assignment begins paused and checking.
 */
export class KafkaReading {
  private readonly options: KafkaSourceOptions;
  private readonly kafka: Kafka;
  private readonly consumer: Consumer;
  private readonly commits: KafkaCommits;
  private readonly pause: KafkaPause;
  private readonly intake: KafkaIntake;
  private readonly feed = new AssignmentFeed();
  private readonly topics: KafkaTopics;
  private readonly teardown = new Subscription();
  private state: 'idle' | 'reading' | 'stopped' | 'closed' = 'idle';
  private started: Promise<void> = Promise.resolve();
  private subscriber: Subscriber<RecordBatch> | null = null;
  private generation = 0;
  private assigned: readonly Share[] = [];

  constructor(options: KafkaSourceOptions) {
    this.options = options;
    const notApplied = patchFetches();
    for (const detail of notApplied) options.onEvent({ type: 'warning', detail });
    this.kafka = kafkaClient(options, notApplied.length === 0 ? lendingSocket : undefined);
    this.topics = new KafkaTopics(options);
    const { maxBytes = 2 << 20, maxBytesPerPartition = 1 << 20, maxWaitMs = 300, minBytes = 1 } = options;
    this.consumer = this.kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: options.sessionTimeoutMs ?? 30_000,
      heartbeatInterval: Math.min(3000, (options.sessionTimeoutMs ?? 30_000) / 3),
      rebalanceTimeout: 60_000,
      metadataMaxAge: options.metadataMaxAgeMs ?? 60_000,
      allowAutoTopicCreation: false,
      minBytes,
      maxBytes,
      maxBytesPerPartition,
      maxWaitTimeInMs: maxWaitMs,
      retry: { retries: 10, maxRetryTime: 10_000 },
    });
    this.commits = new KafkaCommits(this.consumer);
    this.pause = new KafkaPause(this.consumer, options);
    const { consumer, kafka, pause } = this;
    const { onEvent, scheduler } = options;
    const onFailure = (error: SluiceError): void => this.fail(error);
    this.intake = new KafkaIntake({ consumer, kafka, pause, onEvent, onFailure, scheduler });
  }

  get assignments(): Observable<Assignment> {
    return this.feed.assignments;
  }

  partitionCount(topic: string, epoch: number | null): number {
    return this.topics.partitionCount(topic, epoch);
  }

  start(subscriber: Subscriber<RecordBatch>): TeardownLogic {
    if (this.subscriber !== null) throw new Error('records of a Kafka source can be subscribed once');
    this.subscriber = subscriber;
    if (this.state !== 'idle') return subscriber.complete();
    this.state = 'reading';
    this.started = this.join().catch((error) => this.fail(kafkaError('Kafka cannot be read', error)));
    return () => this.halt();
  }

  stop(): void {
    this.halt();
    this.subscriber?.complete();
  }

  async commit(): Promise<void> {
    const partitions = await this.commits.commit();
    if (partitions > 0) this.options.onEvent({ type: 'committed', partitions });
  }

  async close(): Promise<void> {
    this.stop();
    this.state = 'closed';
    this.generation += 1;
    this.teardown.unsubscribe();
    this.retire();
    this.feed.close();
    await this.started;
    await this.consumer.disconnect().catch((error) => this.warn('the consumer did not leave in order', error));
  }

  private isReading(): boolean {
    return this.state === 'reading';
  }

  private halt(): void {
    if (this.state !== 'closed') this.state = 'stopped';
    this.intake.end();
    this.pause.end();
  }

  private fail(error: SluiceError): void {
    if (!this.isReading()) return;
    this.halt();
    this.subscriber?.error(error);
  }

  private async join(): Promise<void> {
    const topics = await withAdmin(this.kafka, (admin) => this.topics.check(admin), this.options.scheduler);
    if (!this.isReading()) return;
    this.listen();
    await this.consumer.connect();
    // Never from the end: where a position is missing, skipping what is there would lose it in silence.
    await this.consumer.subscribe({ topics: [...topics], fromBeginning: true });
    if (!this.isReading()) return;
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false, // a batch may be taken in part
      partitionsConsumedConcurrently: 1, // what waits for room holds up the others as well
      eachBatch: (payload) => this.intake.eachBatch(payload),
    });
    const { commitIntervalMs = 500, scheduler } = this.options;
    const commits = interval(commitIntervalMs, scheduler).pipe(exhaustMap(() => this.commitQuietly()));
    if (!this.teardown.closed) this.teardown.add(commits.subscribe());
  }

  private listen(): void {
    const { consumer } = this;
    const { events } = consumer;
    consumer.on(events.GROUP_JOIN, ({ payload }) => this.joined(payload.memberAssignment));
    consumer.on(events.COMMIT_OFFSETS, (event) => this.commits.hear(event));
    consumer.on(events.CRASH, (event) => this.crashed(event));
    consumer.on(events.END_BATCH_PROCESS, ({ payload }) => {
      return payload.batchSize === 0 ? this.intake.passed(payload) : undefined;
    });
  }

  /** The only truth about our share: kafkajs also joins anew without a REBALANCING event, and kept partitions start over. */
  private joined(assignment: Readonly<Record<string, readonly number[]>>): void {
    this.generation += 1;
    this.retire();
    this.assigned = Object.entries(assignment).map(([topic, partitions]) => ({ topic, partitions }));
    const partitions = this.assigned.reduce((sum, share) => sum + share.partitions.length, 0);
    this.options.onEvent({ type: 'rebalanced', generation: this.generation, partitions });
    this.pause.check(this.assigned);
    if (this.isReading()) void this.assign(this.generation);
  }

  private retire(): void {
    this.intake.retire();
    this.commits.begin([]);
  }

  /** Checks the new share and begins reading it. What cannot be asked now is asked again until the next assignment. */
  private async assign(generation: number): Promise<void> {
    const isOver = (): boolean => generation !== this.generation || !this.isReading();
    while (!isOver()) {
      try {
        const known = await withAdmin(
          this.kafka,
          async (admin) => {
            await this.topics.recheck(admin);
            const stored = await this.topics.positions();
            return { stored, ranges: await partitionRanges(admin, this.options.groupId, this.topics.names) };
          },
          this.options.scheduler,
        );
        if (isOver()) return;
        const { ranges } = known;
        const partitions = this.topics.open(this.assigned, known, (batch) => this.subscriber?.next(batch));
        this.begin(partitions, new Map(ranges.map((range) => [`${range.topic}/${range.partition}`, range.high])));
        return;
      } catch (error) {
        if (isOver()) return;
        if (error instanceof SluiceError && !error.retriable) return this.fail(error);
        this.warn('the assignment cannot be checked yet', error);
        await firstValueFrom(timer(RETRY_MS, this.options.scheduler));
      }
    }
  }

  private begin(partitions: readonly KafkaPartition[], ends: ReadonlyMap<string, number>): void {
    const logs = partitions.map((one) => one.log);
    this.intake.open(partitions);
    this.commits.begin(logs);
    this.feed.next({ generation: this.generation, partitions: logs });
    const places = logs.map(({ topic, partition, read }) => {
      return { topic, partition, from: read, end: ends.get(`${topic}/${partition}`) ?? read };
    });
    this.options.onEvent({ type: 'assigned', generation: this.generation, partitions: places });
    this.pause.checked();
  }

  private crashed({ payload: { error, restart } }: ConsumerCrashEvent): void {
    this.options.onEvent({ type: 'crashed', isRestarting: restart, detail: error.message });
    if (restart) return; // the next GROUP_JOIN begins anew
    const place = outOfRangePlace(error);
    if (place === null) this.fail(kafkaError('the Kafka consumer died', error));
    else this.fail(outsideLog(place, this.intake.expected(place) ?? -1, null));
  }

  private async commitQuietly(): Promise<void> {
    try {
      await this.commit();
    } catch (error) {
      this.options.onEvent({ type: 'commit-failed', detail: error instanceof SluiceError ? error.detail : '' });
    }
  }

  private warn(what: string, error: unknown): void {
    this.options.onEvent({ type: 'warning', detail: `${what}: ${error instanceof Error ? error.message : ''}` });
  }
}
