import {
  defer,
  ignoreElements,
  interval,
  Observable,
  type ObservableInput,
  type OperatorFunction,
  type SchedulerLike,
  Subscription,
} from 'rxjs';
import type { ChangeBatch, Table } from '../pipeline/change.ts';
import { sizeOf } from '../pipeline/change.ts';
import type { Report } from '../pipeline/events.ts';
import type { ParkedKey } from '../pipeline/ports.ts';
import type { InFlight } from '../pipeline/position.ts';
import { type Entry, Fold } from './fold.ts';

export interface LatestPerKeyOptions {
  /** Length of a window, milliseconds. Windows tick from subscription. */
  readonly windowMs: number;
  /** A window closes early at this many keys in the fold. */
  readonly maxKeys: number;
  /** A window closes early at this many bytes in the fold. Below the in-flight limit, or everyone waits for the timer. */
  readonly maxBytes: number;
  /** Bounds of one emitted batch. One document larger than `bytes` travels alone. */
  readonly batch: { readonly documents: number; readonly bytes: number };
  /** A key unsettled for this many windows is parked. */
  readonly parkAfterWindows: number;
  /** Makes keys durable in the store, so that they need neither memory nor position. */
  readonly park: (keys: readonly ParkedKey[]) => ObservableInput<unknown>;
  /** After the source has completed, what is still unsettled after this time is parked. Milliseconds; Infinity waits. */
  readonly drainMs: number;
  readonly inFlight: InFlight;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/** The newest change of each of at most `documents` keys of one index. Whoever takes it must end it with exactly one `finish`. */
export interface DedupedBatch {
  readonly table: Table;
  readonly entries: readonly Entry[];
  readonly bytes: number;
  /** `<window>-<index>-<n>`: the `sync_batch_id`. */
  readonly id: string;
  readonly takenAtMs: number;
  /** Of the entries given, those no newer change has replaced since; the others have joined their successor and are no longer yours. */
  joinSuperseded(entries: readonly Entry[]): readonly Entry[];
  /** Puts entries back into the fold; they are due at once, unless held. */
  giveBack(entries: readonly Entry[]): void;
  /** Keeps this index (null: every index) from being taken for so long, then lets one batch at a time through until one is taken. */
  hold(table: Table | null, forMs: number): void;
  /** Ends entries that are durably settled: their tickets are released. */
  settle(entries: readonly Entry[]): void;
  /** Frees the batch. `progressed`: the index took something of it. */
  finish(progressed: boolean): void;
}

/**
 * Folds changes to the newest of each key and emits them when the window closes, as cold batches: a batch takes its keys
 * out of the fold when it is subscribed, and the next one is emitted only then. So the subscriber's free slot is the
 * demand, and until it comes keys go on folding: a slow index makes windows longer and writes fewer, not memory larger.
 *
 * Delivery: an entry holds the ticket of its first unsettled change until it is settled or parked; nothing is dropped but
 * keys of a partition that was assigned anew, which are read again. Completes when the source has completed and every
 * entry is settled or parked. A source error is passed on at once and the fold forgotten: the position has not moved.
 *
 * @throws RangeError when `maxBytes` exceeds the in-flight limit.
 */
export function latestPerKey(options: LatestPerKeyOptions): OperatorFunction<ChangeBatch, Observable<DedupedBatch>> {
  if (options.maxBytes > options.inFlight.limit.bytes) {
    throw new RangeError(
      `maxBytes must not exceed the in-flight limit of ${options.inFlight.limit.bytes}, got ${options.maxBytes}`,
    );
  }
  return (changes) => new Observable((subscriber) => new WindowLoop(options, changes, subscriber).start());
}

const PARK_LIMIT = { documents: 1000, bytes: 8 << 20 };

class WindowLoop {
  private readonly fold: Fold;
  private readonly teardown = new Subscription();
  private readonly options: LatestPerKeyOptions;
  private readonly changes: Observable<ChangeBatch>;
  private readonly subscriber: {
    next(batch: Observable<DedupedBatch>): void;
    error(error: unknown): void;
    complete(): void;
  };
  private wake = Subscription.EMPTY;
  /** A batch was emitted and nobody has subscribed to it yet. */
  private isOffered = false;
  private isPumping = false;
  private isParking = false;
  private isEnding = false;
  private isDrainOver = false;
  private batches = 0;

  constructor(options: LatestPerKeyOptions, changes: Observable<ChangeBatch>, subscriber: WindowLoop['subscriber']) {
    this.options = options;
    this.changes = changes;
    this.subscriber = subscriber;
    this.fold = new Fold(options.inFlight);
  }

  start(): Subscription {
    const { windowMs, scheduler } = this.options;
    this.teardown.add(interval(windowMs, scheduler).subscribe(() => this.tick()));
    this.teardown.add(
      this.changes.subscribe({
        next: (batch) => this.add(batch),
        error: (error) => this.subscriber.error(error),
        complete: () => this.end(),
      }),
    );
    return this.teardown;
  }

  private add(batch: ChangeBatch): void {
    this.fold.add(batch);
    const { maxKeys, maxBytes } = this.options;
    if (this.fold.keys >= maxKeys || this.fold.bytes >= maxBytes) this.close('cap');
  }

  private tick(): void {
    this.fold.window += 1;
    this.close('time');
    this.parkOverdue();
  }

  private close(cause: 'time' | 'cap' | 'end'): void {
    const { keys, bytes } = this.fold;
    const { changes, hasDue } = this.fold.close();
    if (changes > 0) this.options.report({ type: 'window', cause, changes, keys, bytes });
    if (hasDue) this.pump();
  }

  private end(): void {
    this.isEnding = true;
    this.close('end');
    const { drainMs, scheduler } = this.options;
    const park = (): void => {
      this.isDrainOver = true;
      this.parkOverdue();
    };
    if (Number.isFinite(drainMs)) this.teardown.add(scheduler.schedule(park, drainMs));
    this.completeIfDone();
  }

  /** Offers batches as long as something is due and the last one offered was taken. */
  private pump(): void {
    if (this.isPumping) return;
    this.isPumping = true;
    const { scheduler } = this.options;
    while (!this.isOffered && this.fold.dueAt() <= scheduler.now()) {
      this.isOffered = true;
      this.subscriber.next(this.due());
    }
    this.isPumping = false;
    this.wakeLater();
  }

  /** Pumps again when the earliest hold ends. */
  private wakeLater(): void {
    const at = this.fold.dueAt();
    if (this.isOffered || at === Number.POSITIVE_INFINITY) return;
    this.wake.unsubscribe();
    this.wake = this.options.scheduler.schedule(() => this.pump(), Math.max(0, at - this.options.scheduler.now()));
    this.teardown.add(this.wake);
  }

  private due(): Observable<DedupedBatch> {
    return new Observable((subscriber) => {
      this.isOffered = false;
      const taken = this.fold.take(this.options.batch, this.options.scheduler.now());
      if (taken !== null) subscriber.next(this.batch(taken));
      subscriber.complete();
      if (taken === null) this.completeIfDone();
      this.pump();
    });
  }

  private batch({ table, entries, bytes }: { table: Table; entries: Entry[]; bytes: number }): DedupedBatch {
    const { fold } = this;
    const { scheduler } = this.options;
    this.batches += 1;
    return {
      table,
      entries,
      bytes,
      id: `${fold.window}-${table.index}-${this.batches}`,
      takenAtMs: scheduler.now(),
      joinSuperseded: (some) => fold.joinSuperseded(some),
      giveBack: (some) => fold.giveBack(some),
      hold: (held, forMs) => fold.hold(held, scheduler.now() + forMs),
      settle: (some) => {
        fold.settle(some);
        this.completeIfDone();
      },
      finish: (progressed) => {
        fold.finish(table, progressed);
        this.pump();
        this.completeIfDone();
      },
    };
  }

  private parkOverdue(): void {
    if (this.isParking) return;
    const { fold, isDrainOver } = this;
    this.parkEntries(isDrainOver ? fold.takeAll() : fold.takeOverdue(this.options.parkAfterWindows));
  }

  /** Parks in slices, one after the other; what the store does not take goes back into the fold. */
  private parkEntries(entries: readonly Entry[]): void {
    const { fold } = this;
    const isDurable = (entry: Entry): boolean => entry.parkedVersion === entry.change.version;
    fold.settle(entries.filter(isDurable));
    const owed = entries.filter((entry) => !isDurable(entry));
    const slice = firstSlice(owed);
    const rest = owed.slice(slice.length);
    if (slice.length === 0) {
      this.isParking = false;
      this.completeIfDone();
      return;
    }
    this.isParking = true;
    const parking = defer(() => this.options.park(slice.map(parkedKeyOf))).pipe(ignoreElements());
    this.teardown.add(
      parking.subscribe({
        complete: () => {
          fold.settle(slice);
          this.options.report({ type: 'parked', keys: slice.length });
          this.parkEntries(rest);
        },
        error: () => {
          fold.giveBack(owed);
          this.isParking = false;
          this.pump();
          this.completeIfDone();
        },
      }),
    );
  }

  private completeIfDone(): void {
    if (this.isEnding && !this.isParking && this.fold.keys === 0 && this.fold.out === 0) this.subscriber.complete();
  }
}

function firstSlice(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0;
  const end = entries.findIndex((entry, index) => {
    bytes += sizeOf(entry.change);
    return index >= PARK_LIMIT.documents || (index > 0 && bytes > PARK_LIMIT.bytes);
  });
  return end === -1 ? entries : entries.slice(0, end);
}

function parkedKeyOf(entry: Entry): ParkedKey {
  const ticket = entry.tickets.find((one) => one.log !== null) ?? entry.tickets[0];
  if (ticket === undefined) throw new Error('an entry without a ticket cannot be parked');
  return { topic: ticket.topic, partition: ticket.partition, change: entry.change, firstOffset: entry.firstOffset };
}
