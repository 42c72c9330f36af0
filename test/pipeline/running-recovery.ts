import { setImmediate as turn } from 'node:timers/promises';
import { type ObservableInput, of, ReplaySubject, Subject, type Subscription } from 'rxjs';
import type { ChangeBatch, Table } from '../../src/pipeline/change.ts';
import type { PipelineEvent } from '../../src/pipeline/events.ts';
import { OwedKeys } from '../../src/pipeline/owed-keys.ts';
import type { Assignment, Store } from '../../src/pipeline/ports.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { type RecoveryOptions, recovered } from '../../src/pipeline/recovery.ts';
import { sqliteStore } from '../../src/sinks/sqlite-store.ts';
import { VirtualClock } from '../telemetry/virtual-clock.ts';

export const SWEEP_MS = 10_000;

export const orders: Table = {
  database: 'shop',
  name: 'orders',
  qualified: 'shop.orders',
  index: 'shop_orders',
  mapping: null,
};

/** An empty store in memory that knows the table `orders`. */
export async function memoryStore(): Promise<Store> {
  const store = sqliteStore({ path: ':memory:', lookup: (_, name) => (name === 'orders' ? orders : null) });
  await store.open();
  return store;
}

/** Moves virtual time on in steps, and lets promises answer at each. */
export async function pass(clock: VirtualClock, ms: number, stepMs = 1000): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(Math.min(stepMs, ms - passed));
    await turn();
  }
}

/** Recovery as it runs, with the stream behind it in the hands of the test. */
export class RunningRecovery {
  readonly clock = new VirtualClock();
  readonly inFlight = new InFlight({ bytes: 1 << 30, changes: 1 << 20 });
  readonly parked = new OwedKeys();
  readonly letters = new OwedKeys();
  /** The input has ended. */
  readonly ended = new Subject<true>();
  /** Somebody wants to stop. */
  readonly halted = new Subject<true>();
  readonly events: PipelineEvent[] = [];
  /** Pages as they came, oldest first. */
  readonly pages: ChangeBatch[] = [];
  isIndexUp = true;
  isComplete = false;
  error: unknown = null;
  private readonly assignments = new ReplaySubject<Assignment>(1);
  private readonly subscription: Subscription;

  constructor(store: RecoveryOptions['store'], page: { keys: number; bytes: number } = { keys: 1000, bytes: 1 << 20 }) {
    const { clock: scheduler, halted: halt, inFlight, letters, parked, ended: until } = this;
    const isIndexUp = (): ObservableInput<boolean> => of(this.isIndexUp);
    const report = (event: PipelineEvent): void => void this.events.push(event);
    const { assignments } = this;
    const options = { store, assignments, until, halt, parked, letters, isIndexUp, page, inFlight, report, scheduler };
    this.subscription = recovered({ ...options, sweepMs: SWEEP_MS }).subscribe({
      next: (batch) => this.pages.push(batch),
      error: (error) => {
        this.error = error;
      },
      complete: () => {
        this.isComplete = true;
      },
    });
  }

  /** A new assignment; nothing of it is asked before promises have answered. */
  assign(...partitions: number[]): void {
    const logs = partitions.map((partition) => new PartitionLog('shop', partition, 0, this.inFlight));
    this.assignments.next({ generation: this.events.length + 1, partitions: logs });
  }

  /** What the stream does when a page is over: its load enters the fold, and in the end nobody holds its ticket. */
  async settle(page: ChangeBatch | undefined): Promise<void> {
    if (page === undefined) throw new Error('there is no such page');
    this.inFlight.add(-page.load.bytes, -page.load.changes);
    page.ticket.release();
    await turn();
  }

  /** Keys of each page. */
  get keys(): string[] {
    return this.pages.map(({ changes }) => changes.map(({ key }) => key).join(' '));
  }

  stop(): void {
    this.subscription.unsubscribe();
  }
}
