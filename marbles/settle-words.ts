import { defer, EMPTY, map, type Observable, type OperatorFunction, type SchedulerLike } from 'rxjs';
import type { IndexedBatch } from '../src/operators/bulk-index.ts';
import { Fold } from '../src/operators/fold.ts';
import { type SettleOptions, settle } from '../src/operators/settle.ts';
import type { ChangeBatch, Rejection } from '../src/pipeline/change.ts';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import { OwedKeys } from '../src/pipeline/owed-keys.ts';
import type { KeyVersion, MonitorRow } from '../src/pipeline/ports.ts';
import { wordOf, wordsOf } from './change-words.ts';
import { drawnCalls, drawnReports, steadyBackoff } from './drawn-calls.ts';
import type { WordLog } from './word-log.ts';

export interface SettleWordsOptions extends Partial<SettleOptions> {
  readonly scheduler: SchedulerLike;
  readonly log: WordLog;
  readonly store: SettleOptions['store'];
  readonly buffer: SettleOptions['buffer'];
  /** Reads the words of a batch: from the log when not given. */
  readonly read?: (words: string) => ChangeBatch;
}

/**
 * Settles batches written in words, of one index each: `a1 !b2` is a batch whose `a1` the index took and whose `b2` it
 * refused two characters after it was sent. A store that fails is asked again three characters later.
 */
export function settleWords({
  log,
  read = log.read,
  ...options
}: SettleWordsOptions): OperatorFunction<string, string> {
  const { scheduler } = options;
  return (words) =>
    defer(() => {
      const fold = new Fold(log.inFlight);
      return words.pipe(
        map((text, n) => indexedOf(fold, read(text.replaceAll('!', '')), { text, n, atMs: scheduler.now() })),
        settle({
          parked: owingNothing(),
          letters: owingNothing(),
          backoff: steadyBackoff(3),
          report: () => undefined,
          ...options,
        }),
        map(({ delivered, rejected }) => wordsOf([...delivered, ...rejected.map(({ entry }) => entry)])),
      );
    });
}

function indexedOf(
  fold: Fold,
  batch: ChangeBatch,
  { text, n, atMs }: { text: string; n: number; atMs: number },
): IndexedBatch {
  const refused = new Set(
    text
      .split(' ')
      .filter((word) => word.startsWith('!'))
      .map((word) => word.slice(1)),
  );
  fold.add(batch);
  fold.close();
  const taken = fold.take({ documents: 1000, bytes: 1 << 20 }, atMs);
  if (taken === null) throw new Error(`nothing to settle: ${text}`);
  const { bytes, entries, table } = taken;
  const [delivered, rejected] = [false, true].map((is) => entries.filter((entry) => refused.has(wordOf(entry)) === is));
  return {
    batch: {
      table,
      entries,
      bytes,
      id: `${n}-${table.index}`,
      takenAtMs: atMs,
      joinSuperseded: (some) => fold.joinSuperseded(some),
      giveBack: (some) => fold.giveBack(some),
      hold: (held, forMs) => fold.hold(held, atMs + forMs),
      settle: (some) => fold.settle(some),
      finish: (progressed) => fold.finish(table, progressed),
    },
    table,
    delivered: delivered ?? [],
    rejected: (rejected ?? []).map((entry) => ({
      entry,
      errorType: 'mapper_parsing_exception',
      detail: 'field price',
    })),
    startedMs: atMs - 2,
    endedMs: atMs,
  };
}

/** What the store is known to owe nothing of. */
export function owingNothing(): OwedKeys {
  const owed = new OwedKeys();
  const partition = { topic: 'shop', partition: 0 };
  owed.none(partition, owed.mark(partition));
  return owed;
}

type Answers = readonly (Observable<unknown> | Error)[];

/** A store and a buffer that write down what they are asked for, and answer each call as drawn, or else at once. */
export function drawnSettlement(answers: {
  readonly letters?: Answers;
  readonly unparked?: Answers;
  readonly closed?: Answers;
  readonly monitored?: Answers;
  readonly removed?: Answers;
}) {
  const orElse = (drawn: Answers = [EMPTY]): Answers => drawn;
  const letters = drawnCalls(
    (some: readonly Rejection[]) => some.map(letterWord).join(' '),
    ...orElse(answers.letters),
  );
  const unparked = drawnCalls(keyWords, ...orElse(answers.unparked));
  const closed = drawnCalls(keyWords, ...orElse(answers.closed));
  const monitored = drawnCalls(
    (rows: readonly MonitorRow[]) => rows.map(rowWords).join(', '),
    ...orElse(answers.monitored),
  );
  const removed = drawnCalls(keyWords, ...orElse(answers.removed));
  return {
    asked: {
      letters: letters.asked,
      unparked: unparked.asked,
      closed: closed.asked,
      monitored: monitored.asked,
      removed: removed.asked,
    },
    ports: {
      buffer: { remove: removed.call },
      store: {
        writeLetters: letters.call,
        unpark: unparked.call,
        closeLetters: closed.call,
        addMonitorRows: monitored.call,
      },
    },
  };
}

/** What is told of batches that ended. */
export function drawnSettledReports() {
  return drawnReports<PipelineEvent>((event) => {
    if (event.type === 'dead-lettered') return `${event.count} ${event.reason} of ${event.table}`;
    if (event.type !== 'settled') return event.type;
    const { atMs, deletes, newestTimestampMs, oldestTimestampMs, rejected, upserts } = event;
    return `${upserts} + ${deletes} - ${rejected} of ${oldestTimestampMs} to ${newestTimestampMs} at ${atMs}`;
  });
}

function keyWords(keys: readonly KeyVersion[]): string {
  return keys.map(({ key, version }) => `${key}${version}`).join(' ');
}

function letterWord({ key, reason, version }: Rejection): string {
  return `${key}${version}!${reason}`;
}

function rowWords(row: MonitorRow): string {
  const { batchId, endMs, errorMessage, failureCount, startMs, status, successCount, syncCount, table } = row;
  const counts = `${successCount} + ${failureCount} of ${syncCount}`;
  return `${table.qualified} ${batchId}: ${status} ${counts}, ${startMs} to ${endMs}${errorMessage ? `, ${errorMessage}` : ''}`;
}
