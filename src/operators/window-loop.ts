import { defer, ignoreElements, interval, Observable, Subscription } from 'rxjs';
import type { ChangeBatch, Table } from '../pipeline/change.ts';
import { sizeOf } from '../pipeline/change.ts';
import { SluiceError } from '../pipeline/errors.ts';
import type { ParkedKey } from '../pipeline/ports.ts';
import { type Entry, Fold } from './fold.ts';
import type { DedupedBatch, LatestPerKeyOptions } from './latest-per-key.ts';

const PARK_LIMIT = { documents: 1000, bytes: 8 << 20 };

/** One subscription of `latestPerKey`: the fold, its clock, and what is offered, taken and parked. */
export class WindowLoop {
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
  private isStoreUp = true;
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
    else if (batch.ticket.log === null) this.pump();
  }

  private tick(): void {
    this.fold.window += 1;
    this.close('time');
    this.parkOverdue();
  }

  private close(cause: 'time' | 'cap' | 'end'): void {
    const { keys, bytes } = this.fold;
    const { changes, hasDue, superseded } = this.fold.close();
    if (changes > 0) this.options.report({ type: 'window', cause, changes, superseded, keys, bytes });
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
    const topic = entries[0]?.place.topic;
    this.batches += 1;
    return {
      table,
      entries,
      bytes,
      id: `${fold.window}-${table.index}-${this.batches}`,
      takenAtMs: scheduler.now(),
      joinSuperseded: (some) => fold.joinSuperseded(some),
      giveBack: (some) => {
        fold.giveBack(some);
        // Not only at the tick: keys that go from slot to slot are never in the fold when it comes.
        this.parkOverdue();
      },
      hold: (held, forMs) => fold.hold(held, scheduler.now() + forMs),
      settle: (some) => {
        fold.settle(some);
        this.completeIfDone();
      },
      finish: (progressed) => {
        fold.finish(table, progressed, topic);
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
          this.tellStore(null);
          fold.settle(slice);
          this.options.report({ type: 'parked', keys: slice.length });
          this.parkEntries(rest);
        },
        error: (error) => {
          this.tellStore(error);
          fold.giveBack(owed);
          this.isParking = false;
          this.pump();
          this.completeIfDone();
        },
      }),
    );
  }

  /** Each failure is told: the journal may be well meanwhile, and say so. */
  private tellStore(error: unknown): void {
    const { report } = this.options;
    if (error !== null) {
      const [code, detail] =
        error instanceof SluiceError ? [error.code, error.message] : ['E4001', 'keys were not parked'];
      report({ type: 'dependency', name: 'store', isUp: false, code, detail });
    } else if (!this.isStoreUp) report({ type: 'dependency', name: 'store', isUp: true, code: '', detail: '' });
    this.isStoreUp = error === null;
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
  const { topic, partition } = entry.place;
  return { topic, partition, change: entry.change, firstOffset: entry.firstOffset };
}
