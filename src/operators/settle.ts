import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  mergeMap,
  type Observable,
  type ObservableInput,
  type OperatorFunction,
  of,
  type SchedulerLike,
  Subscription,
  throwError,
} from 'rxjs';
import type { Rejection } from '../pipeline/change.ts';
import type { Report } from '../pipeline/events.ts';
import { textOf } from '../pipeline/json-document.ts';
import type { OwedKeys } from '../pipeline/owed-keys.ts';
import type { ChangeBuffer, KeyVersion, MonitorRow, Partition, SettledKey, Store } from '../pipeline/ports.ts';
import { type BackoffOptions, untilDone } from './backoff.ts';
import type { IndexedBatch } from './bulk-index.ts';
import type { Entry } from './fold.ts';

export interface SettleOptions {
  readonly store: Pick<Store, 'unpark' | 'closeLetters' | 'writeLetters' | 'addMonitorRows'>;
  readonly buffer: Pick<ChangeBuffer, 'remove'>;
  /** Which keys may be parked, and which may have open letters. */
  readonly parked: OwedKeys;
  readonly letters: OwedKeys;
  /** Between attempts of what must be durable. */
  readonly backoff?: BackoffOptions;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/**
 * Ends the life of what the index took or refused: rejected documents become dead letters, parked bodies and open letters
 * of settled keys are closed, and then the tickets are released, so that the position may pass. The buffer's entry is
 * removed unless it is newer, and a `sync_monitor` row written; neither is waited for.
 *
 * Delivery: tickets are released only after everything that must be durable is. Those calls are repeated until they
 * succeed; meanwhile other batches settle.
 */
export function settle(options: SettleOptions): OperatorFunction<IndexedBatch, IndexedBatch> {
  return (indexed) =>
    defer(() => {
      const aside = new Subscription();
      return indexed.pipe(
        mergeMap((batch) => settleBatch(options, batch, aside)),
        finalize(() => aside.unsubscribe()),
      );
    });
}

function settleBatch(options: SettleOptions, indexed: IndexedBatch, aside: Subscription): Observable<IndexedBatch> {
  const { report, scheduler } = options;
  const entries = [...indexed.delivered, ...indexed.rejected.map(({ entry }) => entry)];
  const done = defer(() => {
    report(settledEvent(indexed, scheduler.now()));
    indexed.batch.settle(entries);
    const removed = defer(() => options.buffer.remove(entries.map((entry) => versionOfEntry(entry))));
    const monitored = defer(() => options.store.addMonitorRows([monitorRow(indexed)]));
    for (const call of [removed, monitored]) aside.add(call.pipe(catchError(() => EMPTY)).subscribe());
    return of(indexed);
  });
  return concat(...mustBeDurable(options, indexed, entries), done);
}

/**
 * What must have succeeded before the tickets are released, one after the other; nothing at all for most batches. Letters
 * are written first, since a parked key that is rejected must never be in neither place, and closed before un-parking:
 * the parked key is what brings this change back after a crash, and who else would close them.
 */
function mustBeDurable(options: SettleOptions, indexed: IndexedBatch, entries: readonly Entry[]): Observable<never>[] {
  const { backoff, letters, parked, scheduler, store } = options;
  const steps: Observable<never>[] = [];
  if (indexed.rejected.length > 0) steps.push(lettersWritten(options, indexed));
  const told = [
    ...tellStore(letters, indexed.delivered, (keys) => store.closeLetters(keys)),
    ...tellStore(parked, entries, (keys) => store.unpark(keys)),
  ];
  for (const call of told) steps.push(untilDone(call, scheduler, backoff).pipe(ignoreElements()));
  return steps;
}

function lettersWritten(options: SettleOptions, { rejected, table }: IndexedBatch): Observable<never> {
  const { backoff, letters, report, scheduler, store } = options;
  const rejections = rejected.map(rejectionOf);
  for (const { entry } of rejected) letters.add(placeOfEntry(entry), versionOfEntry(entry));
  for (const [reason, { length: count }] of Map.groupBy(rejections, (one) => one.reason)) {
    report({ type: 'dead-lettered', reason, table: table.qualified, count });
  }
  return untilDone(() => store.writeLetters(rejections), scheduler, backoff).pipe(ignoreElements());
}

/** One call for the settled keys that the store may owe something, and none when it owes nothing. */
function tellStore(
  owed: OwedKeys,
  entries: readonly Entry[],
  call: (keys: readonly SettledKey[]) => ObservableInput<unknown>,
): (() => ObservableInput<unknown>)[] {
  // A recovered key was parked by somebody, perhaps after this instance has counted; whoever un-parks it is the last to see it.
  const told = entries.filter(
    (entry) => entry.parkedVersion > 0 || owed.mayOwe(placeOfEntry(entry), entry.change.table, entry.change.key),
  );
  if (told.length === 0) return [];
  const keys = told.map((entry) => ({ ...versionOfEntry(entry), topic: placeOfEntry(entry).topic }));
  const isEarly = (): boolean => told.some((entry) => owed.isWriting(placeOfEntry(entry), entry.change));
  return [
    () =>
      concat(
        // What is still on its way to the store would arrive after this and stay there for good: asked again later.
        defer(() => (isEarly() ? throwError(() => new Error('the key is being written')) : call(keys))),
        defer(() => {
          for (const entry of told) owed.told(placeOfEntry(entry), [versionOfEntry(entry)]);
          return EMPTY;
        }),
      ),
  ];
}

/** Where the change is in the log. An entry has a ticket until it is settled. */
function placeOfEntry(entry: Entry): Partition {
  if (entry.tickets.length === 0) throw new Error('an entry was settled twice');
  return entry.place;
}

function versionOfEntry({ change }: Entry): KeyVersion {
  return { table: change.table, key: change.key, version: change.version };
}

function rejectionOf({ entry, errorType, detail }: IndexedBatch['rejected'][number]): Rejection {
  const { table, key, op, offset, version, document } = entry.change;
  const { topic, partition } = placeOfEntry(entry);
  return { reason: errorType, detail, topic, partition, offset, version, table, key, op, body: cut(textOf(document)) };
}

/** At most 64 KiB of UTF-8, never half a character. */
function cut(text: string): string {
  const limit = 64 << 10;
  if (text.length * 3 <= limit || Buffer.byteLength(text) <= limit) return text;
  const bytes = Buffer.from(text).subarray(0, limit);
  return new TextDecoder().decode(bytes, { stream: true });
}

function monitorRow({ batch, table, delivered, rejected, startedMs, endedMs }: IndexedBatch): MonitorRow {
  const [first] = rejected;
  return {
    table,
    batchId: batch.id,
    syncCount: delivered.length + rejected.length,
    successCount: delivered.length,
    failureCount: rejected.length,
    startMs: startedMs,
    endMs: endedMs,
    status: first === undefined ? 'SUCCESS' : delivered.length > 0 ? 'PARTIAL' : 'FAILED',
    errorMessage: first === undefined ? null : `${first.errorType}: see dead_letters`,
  };
}

function settledEvent(indexed: IndexedBatch, atMs: number): Parameters<Report>[0] {
  let oldestTimestampMs = Number.POSITIVE_INFINITY;
  let newestTimestampMs = 0;
  let deletes = 0;
  for (const { change } of indexed.delivered) {
    oldestTimestampMs = Math.min(oldestTimestampMs, change.timestampMs);
    newestTimestampMs = Math.max(newestTimestampMs, change.timestampMs);
    if (change.op === 'delete') deletes += 1;
  }
  return {
    type: 'settled',
    table: indexed.table,
    upserts: indexed.delivered.length - deletes,
    deletes,
    rejected: indexed.rejected.length,
    oldestTimestampMs,
    newestTimestampMs,
    atMs,
  };
}
