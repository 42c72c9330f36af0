import {
  concat,
  defer,
  EMPTY,
  ignoreElements,
  mergeMap,
  type Observable,
  type ObservableInput,
  type OperatorFunction,
  of,
  type SchedulerLike,
} from 'rxjs';
import type { ChangeBatch, RecordBatch, Rejection } from '../pipeline/change.ts';
import { recordsSize, sizeOf } from '../pipeline/change.ts';
import type { Report } from '../pipeline/events.ts';
import type { ParsedBatch, RecordFormat } from '../pipeline/ports.ts';
import type { InFlight } from '../pipeline/position.ts';
import { type BackoffOptions, untilDone } from './backoff.ts';

export interface ParseChangesOptions {
  readonly format: RecordFormat;
  /** Makes letters durable. Repeated until it succeeds; the position waits. */
  readonly writeLetters: (letters: readonly Rejection[]) => ObservableInput<unknown>;
  /** Between attempts to write letters. */
  readonly backoff?: BackoffOptions;
  readonly inFlight: InFlight;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/**
 * Turns records into changes, one batch for one batch: an empty one still moves the position. What cannot be applied
 * becomes a dead letter beside the stream; good rows do not wait for it.
 *
 * Delivery: the ticket is held until every letter of the batch is durable. Bad input never errs the stream.
 */
export function parseChanges(options: ParseChangesOptions): OperatorFunction<RecordBatch, ChangeBatch> {
  const { format, inFlight } = options;
  return mergeMap((batch) => {
    const parsed = format.parse(batch);
    const load = { bytes: 0, changes: parsed.changes.length };
    for (const change of parsed.changes) load.bytes += sizeOf(change);
    inFlight.add(load.bytes - recordsSize(batch.records), load.changes - batch.records.length);
    tell(options.report, batch, parsed);
    const { topic, partition, ticket } = batch;
    const changes = of({ topic, partition, ticket, load, changes: parsed.changes });
    return parsed.rejected.length === 0 ? changes : concat(changes, lettersWritten(options, batch, parsed.rejected));
  });
}

/** Completes when the letters are durable. Subscribed after the changes are on their way, so the hold is taken before. */
function lettersWritten(
  options: ParseChangesOptions,
  batch: RecordBatch,
  letters: readonly Rejection[],
): Observable<never> {
  const { backoff, inFlight, report, scheduler, writeLetters } = options;
  batch.ticket.hold();
  const bytes = letters.reduce((sum, letter) => sum + 512 + 2 * letter.body.length, 0);
  inFlight.add(bytes, letters.length);
  const written = untilDone(() => writeLetters(letters), scheduler, backoff);
  const done = defer(() => {
    inFlight.add(-bytes, -letters.length);
    for (const [table, some] of Map.groupBy(letters, (letter) => letter.table?.qualified ?? '')) {
      for (const [reason, count] of countBy(some, (letter) => letter.reason)) {
        report({ type: 'dead-lettered', reason, table, count });
      }
    }
    batch.ticket.release();
    return EMPTY;
  });
  return concat(written.pipe(ignoreElements()), done);
}

function tell(report: Report, batch: RecordBatch, parsed: ParsedBatch): void {
  const { topic, partition } = batch;
  let [inserts, updates, deletes] = [0, 0, 0];
  for (const { operation } of parsed.changes) {
    if (operation === 'UPDATE') updates += 1;
    else if (operation === 'INSERT') inserts += 1;
    else deletes += 1;
  }
  report({
    type: 'parsed',
    topic,
    partition,
    records: batch.records.length,
    inserts,
    updates,
    deletes,
    rejected: parsed.rejected.length,
    skipped: parsed.skipped,
  });
  for (const notice of parsed.notices) report({ type: 'notice', topic, partition, ...notice });
}

function countBy<T>(values: readonly T[], nameOf: (value: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(nameOf(value), (counts.get(nameOf(value)) ?? 0) + 1);
  return counts;
}
