import { setImmediate as turn } from 'node:timers/promises';
import { of, ReplaySubject, type Subscription } from 'rxjs';
import type { Table } from '../../src/pipeline/change.ts';
import type { PipelineEvent } from '../../src/pipeline/events.ts';
import type { Assignment, IndexWrite, Outcome, Store, StoredPosition } from '../../src/pipeline/ports.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { type UpkeepOptions, upkeep } from '../../src/pipeline/upkeep.ts';
import { answerOf, changeAt } from '../conformance/store-samples.ts';
import { orders } from './running-recovery.ts';
import type { SteadyClock } from './steady-clock.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const GC_DELETES_MS = HOUR;
export const PAUSE_LIMIT_MS = 24 * HOUR;

const DONE: Outcome = { kind: 'done', conflict: false };

/** An index that forgets deletes: what it holds is what the test puts there. */
export class ForgetfulIndex {
  /** Version of each document by key. */
  readonly documents = new Map<string, number>();
  /** Deletes it was sent, as `key@version`. */
  readonly deletes: string[] = [];
  /** Keys it was asked about, one list a question. */
  readonly questions: string[][] = [];
  instance = 'first start';
  /** True: questions fail. */
  isAway = false;
  /** What deletes are answered; null: they are taken. */
  refusal: Outcome | null = null;
  private gate: Promise<void> | null = null;

  /** From now on answers wait until the function returned is called. */
  answersWait(): () => void {
    let open = (): void => undefined;
    this.gate = new Promise((resolve) => {
      open = resolve;
    });
    return () => {
      this.gate = null;
      open();
    };
  }

  async incarnation(): Promise<string> {
    if (this.isAway) throw new Error('no answer');
    return this.instance;
  }

  async versions(_: Table, keys: readonly string[]): Promise<(number | null)[]> {
    this.questions.push([...keys]);
    await this.gate;
    if (this.isAway) throw new Error('no answer');
    return keys.map((key) => this.documents.get(key) ?? null);
  }

  async write(writes: readonly IndexWrite[]): Promise<readonly Outcome[]> {
    const { refusal } = this;
    if (refusal !== null) return writes.map(() => refusal);
    for (const { key, version } of writes) {
      this.deletes.push(`${key}@${version}`);
      this.documents.delete(key);
    }
    return writes.map(() => DONE);
  }
}

/** Upkeep of one partition as it runs. */
export class RunningUpkeep {
  readonly log: PartitionLog;
  readonly events: PipelineEvent[] = [];
  readonly assignments = new ReplaySubject<Assignment>(1);
  error: unknown = null;
  private readonly store: Store;
  private readonly subscription: Subscription;

  /** `startOffset`: where reading goes on. `changed`: calls of the store to be made otherwise. */
  constructor(
    clock: SteadyClock,
    store: Store,
    index: ForgetfulIndex,
    { startOffset = 0, changed = {} }: { startOffset?: number; changed?: Partial<UpkeepOptions['store']> } = {},
  ) {
    this.store = store;
    this.log = new PartitionLog('shop', 0, startOffset);
    this.subscription = upkeep({
      store: { ...store, ...changed },
      index,
      assignments: this.assignments,
      pauseLimitMs: PAUSE_LIMIT_MS,
      gcDeletesMs: GC_DELETES_MS,
      keepMs: 24 * HOUR,
      report: (event) => this.events.push(event),
      scheduler: clock,
    }).subscribe({
      error: (error) => {
        this.error = error;
      },
    });
    this.assignments.next({ generation: 1, partitions: [this.log] });
  }

  /** A delete of the next record: in the journal, and settled. */
  async deleteRow(key: string): Promise<void> {
    const offset = this.log.read;
    await answerOf(
      this.store.append({ topic: 'shop', partition: 0 }, [changeAt(orders, key, offset, { op: 'delete' })]),
    );
    this.settleRecord();
  }

  /** A row of the next record: the same. */
  async writeRow(key: string): Promise<void> {
    await answerOf(this.store.append({ topic: 'shop', partition: 0 }, [changeAt(orders, key, this.log.read)]));
    this.settleRecord();
  }

  /** A record that is settled. */
  settleRecord(): void {
    const offset = this.log.read;
    const ticket = this.log.admit(offset, offset + 1, { offset, timestampMs: 1000 + offset, hash: `h${offset}` });
    ticket.journaled();
    ticket.release();
  }

  async stored(): Promise<StoredPosition | undefined> {
    return (await this.store.positions('shop'))[0];
  }

  /** How often deletes were looked at, and how many of them were sent again. */
  get checks(): { checked: number; repeated: number }[] {
    return this.events.flatMap((event) =>
      event.type === 'deletes-checked' ? [{ checked: event.checked, repeated: event.repeated }] : [],
    );
  }

  async stop(): Promise<void> {
    this.subscription.unsubscribe();
    await turn();
  }
}

/** A store that keeps nothing but answers: for what only counts calls. */
export const NOTHING = {
  positions: () => of([]),
  savePositions: () => of(undefined),
  deletesBetween: () => of({ deletes: [], cursor: null }),
};
