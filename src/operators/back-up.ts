import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  type Observable,
  type OperatorFunction,
  type SchedulerLike,
  Subscription,
} from 'rxjs';
import type { Change, ChangeBatch } from '../pipeline/change.ts';
import { sizeOf } from '../pipeline/change.ts';
import type { Report } from '../pipeline/events.ts';
import type { JournalGap, Store } from '../pipeline/ports.ts';
import type { InFlight } from '../pipeline/position.ts';
import { type BackoffOptions, untilDone } from './backoff.ts';
import { gatherMap, shareOf } from './gather-map.ts';

export interface BackUpOptions {
  readonly store: Pick<Store, 'append' | 'recordGaps'>;
  /** `all` journals every change; `none` only what must be durable. */
  readonly changes: 'all' | 'none';
  /** Deletes need a durable row before the position passes them (`deletes: hard`). */
  readonly deletesMustBeDurable: boolean;
  /** Changes gathered into one append at most. Default 5000. */
  readonly maxChanges?: number;
  /** Their bytes at most, as `sizeOf` counts them; a larger batch goes alone. Default 8 MiB. */
  readonly maxBytes?: number;
  /** Appends under way at most, of one partition each. Default 3. */
  readonly maxAppends?: number;
  readonly backoff?: BackoffOptions;
  readonly inFlight: InFlight;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/**
 * Appends every change to the journal, in order, and passes batches on in the order they came. What arrives while an
 * append is under way goes together into the next one.
 *
 * Delivery: a batch's ticket becomes journaled when its changes are. When the store fails, batches pass at once and are
 * owed: as soon as the store answers, their deletes are appended, the rest is listed as a gap, and only then may the
 * position pass. What is owed is charged to the in-flight limit, so the source pauses before memory runs out.
 */
export function backUp(options: BackUpOptions): OperatorFunction<ChangeBatch, ChangeBatch> {
  const { maxAppends = 3, maxBytes = 8 << 20, maxChanges = 5000 } = options;
  return (batches) =>
    defer(() => {
      const journal = new Journaling(options);
      return batches.pipe(
        gatherMap((group) => journal.append(group), {
          laneOf: placeOf,
          weightOf: shareOf({ changes: maxChanges, bytes: maxBytes }),
          maxWeight: 1,
          concurrency: maxAppends,
        }),
        finalize(() => journal.stop()),
      );
    });
}

interface Owed {
  readonly batch: ChangeBatch;
  readonly changes: readonly Change[];
  readonly bytes: number;
}

class Journaling {
  private readonly options: BackUpOptions;
  private readonly paying = new Subscription();
  private owed: Owed[] = [];
  private isUp = true;
  private isPaying = false;

  constructor(options: BackUpOptions) {
    this.options = options;
  }

  /** What is owed then is read again: completing must not wait for a store that may stay away. */
  stop(): void {
    this.paying.unsubscribe();
  }

  /** Emits the batches of one partition when they are journaled or owed. Never errs. */
  append(batches: readonly ChangeBatch[]): Observable<ChangeBatch> {
    const { report, scheduler, store } = this.options;
    const [first] = batches;
    if (!this.isUp) {
      for (const batch of batches) this.owe(batch);
      return from(batches);
    }
    const changes = batches.flatMap((batch) => this.toJournal(batch));
    if (first === undefined || changes.length === 0) {
      for (const batch of batches) batch.ticket.journaled();
      return from(batches);
    }
    const startedMs = scheduler.now();
    const journaled = defer(() => {
      report({ type: 'journaled', changes: changes.length, ms: scheduler.now() - startedMs });
      for (const batch of batches) batch.ticket.journaled();
      return EMPTY;
    });
    const appended = concat(defer(() => store.append(first, changes)).pipe(ignoreElements()), journaled);
    return concat(
      appended.pipe(
        catchError((error) => {
          for (const batch of batches) this.owe(batch);
          this.fail(error);
          return EMPTY;
        }),
      ),
      from(batches),
    );
  }

  private toJournal(batch: ChangeBatch): readonly Change[] {
    return this.options.changes === 'all' ? batch.changes : this.mustBeDurable(batch);
  }

  private mustBeDurable(batch: ChangeBatch): readonly Change[] {
    return this.options.deletesMustBeDurable ? batch.changes.filter((change) => change.op === 'delete') : [];
  }

  private owe(batch: ChangeBatch): void {
    if (this.toJournal(batch).length === 0) {
      batch.ticket.journaled();
      return;
    }
    const changes = this.mustBeDurable(batch);
    const bytes = changes.reduce((sum, change) => sum + sizeOf(change), 0);
    this.options.inFlight.add(bytes, 0);
    this.owed.push({ batch, changes, bytes });
  }

  private fail(error: unknown): void {
    if (!this.isUp) return;
    const { backoff = { firstMs: 500, maxMs: 5000 }, report, scheduler } = this.options;
    report({
      type: 'dependency',
      name: 'store',
      isUp: false,
      code: 'E4001',
      detail: error instanceof Error ? error.message : '',
    });
    this.isUp = false;
    if (this.isPaying) return;
    this.isPaying = true;
    const paid = untilDone(() => this.pay(), scheduler, backoff);
    this.paying.add(
      paid.subscribe({
        complete: () => {
          this.isPaying = false;
        },
      }),
    );
  }

  /** Pays what is owed now, which shows that the store is back, and then what came meanwhile; completes when nothing is owed. */
  private pay(): Observable<never> {
    const { inFlight, report, store } = this.options;
    const owed = [...this.owed].filter(({ batch }) => batch.ticket.isLive);
    const appends = [...byPartition(owed.map((one) => one.batch)).values()].flatMap((batches) => {
      const changes = batches.flatMap((batch) => this.mustBeDurable(batch));
      return changes.length === 0 || batches[0] === undefined
        ? []
        : [defer(() => store.append(batches[0] as ChangeBatch, changes))];
    });
    const gaps = this.options.changes === 'all' ? gapsOf(owed.map((one) => one.batch)) : [];
    const listed = gaps.length === 0 ? EMPTY : defer(() => store.recordGaps(gaps));
    const count = this.owed.length;
    const settle = defer(() => {
      if (!this.isUp) report({ type: 'dependency', name: 'store', isUp: true, code: '', detail: '' });
      this.isUp = true;
      for (const { batch, bytes } of this.owed.splice(0, count)) {
        inFlight.add(-bytes, 0);
        batch.ticket.journaled();
      }
      for (const { topic, partition, from, to } of gaps) report({ type: 'journal-gap', topic, partition, from, to });
      return this.owed.length > 0 ? this.pay() : EMPTY;
    });
    return concat(...appends, listed, settle).pipe(ignoreElements());
  }
}

function placeOf({ topic, partition }: ChangeBatch): string {
  return `${topic}/${partition}`;
}

function byPartition(batches: readonly ChangeBatch[]): Map<string, ChangeBatch[]> {
  const groups = new Map<string, ChangeBatch[]>();
  for (const batch of batches) {
    const name = placeOf(batch);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [batch]);
    else group.push(batch);
  }
  return groups;
}

/** One gap for each run of adjoining batches of a partition. */
function gapsOf(batches: readonly ChangeBatch[]): JournalGap[] {
  const gaps: JournalGap[] = [];
  for (const group of byPartition(batches).values()) {
    let open: { topic: string; partition: number; from: number; to: number; reason: string } | null = null;
    for (const { topic, partition, ticket } of group) {
      if (open !== null && ticket.firstOffset <= open.to + 1) open.to = ticket.nextOffset - 1;
      else {
        open = { topic, partition, from: ticket.firstOffset, to: ticket.nextOffset - 1, reason: 'store-unreachable' };
        gaps.push(open);
      }
    }
  }
  return gaps;
}
