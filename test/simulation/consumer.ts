import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  forkJoin,
  from,
  interval,
  map,
  Observable,
  of,
  retry,
  type Subscriber,
  Subscription,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { RecordBatch } from '../../src/pipeline/change.ts';
import { SluiceError } from '../../src/pipeline/errors.ts';
import type { Assignment, RecordSource, StoredPosition, TopicRegistration } from '../../src/pipeline/ports.ts';
import { type InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { AssignmentFeed } from '../../src/sources/assignment-feed.ts';
import { outsideLog, type PartitionRange, refuseOtherCount, startPlace } from '../../src/sources/kafka-checks.ts';
import { KafkaPartition } from '../../src/sources/kafka-partition.ts';
import { partitionsAt, topicEpochs } from '../../src/sources/topic-epochs.ts';
import type { Process } from './clock.ts';
import { type KafkaModel, type LogEntry, REFUSED_COMMITS, type TopicShare } from './kafka-model.ts';
import type { Network, Server } from './network.ts';
import type { StorePort } from './store-port.ts';

export interface ConsumerOptions {
  readonly process: Process;
  readonly kafka: KafkaModel;
  readonly link: Server;
  readonly network: Network;
  readonly store: StorePort;
  readonly inFlight: InFlight;
  readonly topics: readonly string[];
  readonly commitMs: number;
  readonly fetchRecords: number;
}

interface Reading {
  readonly partition: KafkaPartition;
  isFetching: boolean;
}

/**
 * A member of the group that reads the model's logs: the same checks, partitions, epochs and commits as the Kafka source,
 * made of its parts, with the client library left out.
 */
export class Consumer implements Pick<RecordSource, 'records' | 'assignments'> {
  readonly records: Observable<RecordBatch> = new Observable((subscriber) => this.start(subscriber));
  /** When the topics were looked at for the assignment begun last. */
  beganMs = 0;
  private askedMs = 0;
  private readonly options: ConsumerOptions;
  private readonly feed = new AssignmentFeed();
  private readonly teardown = new Subscription();
  private subscriber: Subscriber<RecordBatch> | null = null;
  private readonly stored = new Map<string, readonly StoredPosition[]>();
  private registrations = new Map<string, TopicRegistration>();
  private readings: Reading[] = [];
  private committed = new Map<string, number>();
  /** Its id in the group; empty before it joins. */
  memberId = '';
  private generation = -1;
  private commits = 0;
  private isReading = false;
  private stopWaiting: (() => void) | null = null;

  constructor(options: ConsumerOptions) {
    this.options = options;
  }

  get assignments(): Observable<Assignment> {
    return this.feed.assignments;
  }

  get logs(): readonly PartitionLog[] {
    return this.readings.map(({ partition }) => partition.log);
  }

  partitionCount(topic: string, epoch: number): number {
    const registration = this.registrations.get(topic);
    return registration === undefined ? 0 : partitionsAt(registration, epoch);
  }

  /** Ends intake; positions can still be committed. */
  stop(): void {
    this.isReading = false;
    this.subscriber?.complete();
  }

  /** Leaves the group in order. */
  leave(): Observable<void> {
    this.isReading = false;
    this.teardown.unsubscribe();
    this.retire();
    const { kafka, link, network, process } = this.options;
    const { memberId } = this;
    return network.call(process, link, 'leave', () => kafka.leave(memberId));
  }

  /** What a heartbeat finds out: the group has gone on without this member, or has shared anew. */
  heartbeat(): void {
    const { kafka, link, network, process } = this.options;
    if (!this.isReading || this.memberId === '') return;
    const answer = network.call(process, link, 'heartbeat', () => ({
      isMember: kafka.members.has(this.memberId),
      generation: kafka.generation,
      share: kafka.shareOf(this.memberId),
    }));
    this.teardown.add(
      answer.subscribe({
        next: ({ generation, isMember, share }) => {
          if (!isMember) this.join();
          else if (generation !== this.generation) this.joined(generation, share);
        },
        error: () => process.after(1000, () => this.heartbeat()),
      }),
    );
  }

  /** Commits what has moved; errs when the coordinator does not take it. */
  commit(): Observable<void> {
    return defer(() => {
      const moved = this.logs.filter((log) => log.isCurrent && log.settled > this.committedOf(log));
      if (moved.length === 0) return of(undefined);
      const offsets = moved.map(({ topic, partition, settled }) => ({ topic, partition, offset: settled }));
      const { kafka, link, network, process } = this.options;
      this.commits += 1;
      const { commits: number, generation, memberId } = this;
      return network
        .call(process, link, 'commit', () => kafka.commit(memberId, { generation, number }, offsets))
        .pipe(
          map(() => {
            for (const { topic, partition, offset } of offsets)
              if (this.committed.has(`${topic}/${partition}`)) this.committed.set(`${topic}/${partition}`, offset);
          }),
        );
    });
  }

  /** A commit has failed. One of a member that the group has gone on without is found out as by a heartbeat. */
  private refused(error: Error): Observable<never> {
    if (REFUSED_COMMITS.has(error.message)) this.heartbeat();
    return EMPTY;
  }

  private committedOf({ topic, partition }: PartitionLog): number {
    return this.committed.get(`${topic}/${partition}`) ?? -1;
  }

  private start(subscriber: Subscriber<RecordBatch>): Subscription {
    this.subscriber = subscriber;
    this.isReading = true;
    this.teardown.add(
      this.registered()
        .pipe(concatMap(() => this.positioned(true)))
        .subscribe({
          next: (ranges) => {
            try {
              for (const { range, stored } of ranges) startPlace(range, stored);
              this.join();
            } catch (error) {
              this.fail(error);
            }
          },
          error: (error) => this.fail(error),
        }),
    );
    this.teardown.add(
      interval(this.options.commitMs, this.options.process)
        .pipe(exhaustMap(() => this.commit().pipe(catchError((error) => this.refused(error)))))
        .subscribe(),
    );
    return new Subscription(() => {
      this.isReading = false;
    });
  }

  private fail(error: unknown): void {
    if (!this.isReading) return;
    this.isReading = false;
    this.subscriber?.error(error);
  }

  private join(): void {
    const { kafka, link, network, process } = this.options;
    const id = kafka.newMemberId(process.name);
    this.memberId = id;
    const assign = (generation: number, share: readonly TopicShare[]): void => {
      if (id !== this.memberId || generation < kafka.generation) return;
      if (!link.isReachable) {
        network.clock.after(1000, () => assign(generation, share));
        return;
      }
      process.after(0, () => {
        if (id === this.memberId && generation > this.generation) this.joined(generation, share);
      });
    };
    const isAlive = (): boolean => !process.isDead && !process.isPaused && link.isUp && id === this.memberId;
    const joining = network.call(process, link, 'join', () => kafka.join({ id, assign, isAlive }));
    this.teardown.add(joining.pipe(retry({ delay: () => timer(500, process) })).subscribe());
  }

  private joined(generation: number, share: readonly TopicShare[]): void {
    this.generation = generation;
    this.retire();
    if (!this.isReading) return;
    const isOver = (): boolean => generation !== this.generation || !this.isReading;
    const checked = this.rechecked().pipe(
      concatMap(() => this.positioned(false)),
      retry({
        delay: (error) => {
          if (isOver() || (error instanceof SluiceError && !error.retriable)) throw error;
          return timer(1000, this.options.process);
        },
      }),
    );
    this.teardown.add(
      checked.subscribe({
        next: (ranges) => {
          if (isOver()) return;
          try {
            this.begin(ranges.filter(({ range }) => isIn(share, range)));
          } catch (error) {
            this.fail(error);
          }
        },
        error: (error) => {
          if (!isOver()) this.fail(error);
        },
      }),
    );
  }

  private retire(): void {
    for (const log of this.logs) log.retire();
    this.readings = [];
    this.committed.clear();
  }

  private begin(ranges: readonly { range: PartitionRange; stored: StoredPosition | null }[]): void {
    const { inFlight } = this.options;
    this.readings = ranges.flatMap(({ range, stored }) => {
      const registration = this.registrations.get(range.topic);
      if (registration === undefined) return [];
      const start = startPlace(range, stored);
      const log = new PartitionLog(range.topic, range.partition, start.from, inFlight);
      const epochAt = topicEpochs(registration, range.partition);
      const emit = (batch: RecordBatch): void => this.subscriber?.next(batch);
      return [{ partition: new KafkaPartition({ log, start, epochAt, inFlight, emit }), isFetching: false }];
    });
    for (const log of this.logs) this.committed.set(`${log.topic}/${log.partition}`, log.settled);
    this.beganMs = this.askedMs;
    this.feed.next({ generation: this.generation, partitions: this.logs });
    this.fetchAll();
  }

  /** Asks the broker how many partitions each topic has. */
  private counted(): Observable<{ topic: string; partitions: number }[]> {
    const { kafka, link, network, process, topics } = this.options;
    return network.call(process, link, 'metadata', () => {
      this.askedMs = network.clock.nowMs;
      return topics.map((topic) => ({ topic, partitions: kafka.topic(topic).partitions.length }));
    });
  }

  /** Registers topics seen for the first time; errs as the source does when the store is away or the count is wrong. */
  private registered(): Observable<unknown> {
    const { store } = this.options;
    return this.counted().pipe(
      concatMap((found) =>
        forkJoin(
          found.map(({ topic, partitions }) =>
            from(store.registration(topic)).pipe(
              concatMap((known) => {
                if (known !== null) return of(known);
                const first = { topic, partitions, epoch: 0, boundaries: [] };
                return from(store.register(first)).pipe(
                  concatMap(() => store.registration(topic)),
                  map((registration) => registration ?? first),
                );
              }),
              map((registration) => {
                refuseOtherCount(registration, partitions);
                this.registrations.set(topic, registration);
              }),
            ),
          ),
        ),
      ),
    );
  }

  /** The same at an assignment, where a store that is away does not stop reading. */
  private rechecked(): Observable<unknown> {
    const { store } = this.options;
    return this.counted().pipe(
      concatMap((found) =>
        forkJoin(
          found.map(({ topic, partitions }) =>
            from(store.registration(topic)).pipe(
              catchError(() => of(null)),
              map((registration) => {
                const known = registration ?? this.registrations.get(topic);
                if (known === undefined) return;
                refuseOtherCount(known, partitions);
                this.registrations.set(topic, known);
              }),
            ),
          ),
        ),
      ),
    );
  }

  /** What the store and then the broker say of every partition. */
  private positioned(mustKnow: boolean): Observable<{ range: PartitionRange; stored: StoredPosition | null }[]> {
    const { kafka, link, network, process, store, topics } = this.options;
    const ranges = network.call(process, link, 'offsets', () =>
      topics.flatMap((topic) =>
        kafka.topic(topic).partitions.map(({ high, low }, partition) => {
          return { topic, partition, low, high, committed: kafka.committed.get(`${topic}/${partition}`) ?? null };
        }),
      ),
    );
    return forkJoin(
      topics.map((topic) =>
        from(store.positions(topic)).pipe(
          tap((positions) => this.stored.set(topic, positions)),
          catchError((error) => (mustKnow ? throwError(() => error) : of(this.stored.get(topic) ?? []))),
        ),
      ),
    ).pipe(
      concatMap((positions) => {
        const stored = positions.flat();
        const storedOf = (range: PartitionRange): StoredPosition | null =>
          stored.find((one) => one.topic === range.topic && one.partition === range.partition) ?? null;
        return ranges.pipe(map((found) => found.map((range) => ({ range, stored: storedOf(range) }))));
      }),
    );
  }

  private fetchAll(): void {
    for (const reading of this.readings) this.fetch(reading);
  }

  private fetch(reading: Reading): void {
    const { fetchRecords, inFlight, kafka, link, network, process } = this.options;
    const { partition } = reading;
    if (!this.isReading || reading.isFetching || !partition.log.isCurrent) return;
    if (inFlight.isFull) {
      this.waitForRoom();
      return;
    }
    reading.isFetching = true;
    const { topic, partition: number } = partition.log;
    const from = partition.expected;
    const answer = network.call(process, link, 'fetch', () => {
      const log = kafka.partition(topic, number);
      if (log === null || from < log.low || from > log.high) return 'outside' as const;
      const size = network.random.between(1, fetchRecords);
      return { entries: log.entries.slice(from, from + size), low: log.low };
    });
    const again = (delayMs: number): void => {
      process.after(delayMs, () => {
        reading.isFetching = false;
        this.fetch(reading);
      });
    };
    this.teardown.add(
      answer.subscribe({
        next: (found) => {
          if (!this.isReading || !partition.log.isCurrent) return;
          if (found === 'outside') return this.fail(outsideLog(partition.place, partition.expected, null));
          if (found.entries.length === 0) {
            const log = kafka.partition(topic, number);
            if (log === null || log.high > from) again(1);
            else log.whenAppended(() => again(network.random.between(1, 20)));
            return;
          }
          try {
            this.take(partition, found.entries, found.low);
          } catch (error) {
            return this.fail(error);
          }
          again(1);
        },
        error: () => again(200),
      }),
    );
  }

  private take(partition: KafkaPartition, entries: readonly LogEntry[], low: number): void {
    const [first] = entries;
    const last = entries.at(-1);
    if (first === undefined || last === undefined) return;
    const seen = entries.filter(({ isControl }) => !isControl);
    const takeIt = () =>
      seen.length === 0
        ? partition.skip(first.offset, last.offset + 1)
        : partition.take({
            messages: seen.map(({ offset, timestampMs, value }) => ({
              offset: String(offset),
              timestamp: String(timestampMs),
              key: null,
              value,
              attributes: 0,
              headers: {},
            })),
            firstOffset: () => String(first.offset),
            lastOffset: () => String(last.offset),
          });
    const taken = takeIt();
    if (taken.kind !== 'hole') return;
    if (low > partition.expected) throw outsideLog(partition.place, partition.expected, null);
    partition.passHole();
    takeIt();
  }

  private waitForRoom(): void {
    if (this.stopWaiting !== null) return;
    this.options.network.sometimes.hit('source paused');
    this.stopWaiting = this.options.inFlight.onRoom(() => {
      this.stopWaiting?.();
      this.stopWaiting = null;
      this.options.process.after(0, () => this.fetchAll());
    });
  }
}

function isIn(share: readonly TopicShare[], { topic, partition }: PartitionRange): boolean {
  return share.some((one) => one.topic === topic && one.partitions.includes(partition));
}
