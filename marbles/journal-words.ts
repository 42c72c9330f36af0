import { map, type Observable, type OperatorFunction, pipe, type SchedulerLike, tap } from 'rxjs';
import { type BackUpOptions, backUp } from '../src/operators/back-up.ts';
import type { Change } from '../src/pipeline/change.ts';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import type { JournalGap, Partition } from '../src/pipeline/ports.ts';
import { wordsOf } from './change-words.ts';
import { drawnCalls, drawnReports, steadyBackoff } from './drawn-calls.ts';
import { type WordLog, wordLog } from './word-log.ts';

export interface JournalWordsOptions extends Partial<BackUpOptions> {
  readonly scheduler: SchedulerLike;
  readonly store: BackUpOptions['store'];
  readonly log?: WordLog;
}

/** The operator with `deletes: hard`; a store that is away is asked again three characters later. */
export function journalOptions({ log = wordLog(), ...options }: JournalWordsOptions): BackUpOptions {
  return {
    changes: 'all',
    deletesMustBeDurable: true,
    backoff: steadyBackoff(3),
    inFlight: log.inFlight,
    report: () => undefined,
    ...options,
  };
}

/** Journals batches written in words. What passes is settled at once, so the position waits for the journal alone. */
export function journalWords(options: JournalWordsOptions): OperatorFunction<string, string> {
  const { log = wordLog() } = options;
  return pipe(
    map(log.readUnjournaled),
    backUp(journalOptions({ ...options, log })),
    tap(({ load, ticket }) => {
      log.inFlight.add(-load.bytes, -load.changes);
      ticket.release();
    }),
    map(({ changes }) => wordsOf(changes)),
  );
}

/** A store that writes down what is appended and which gaps are listed, and answers each call as drawn. */
export function drawnJournal(
  appends: readonly (Observable<unknown> | Error)[],
  gaps: readonly (Observable<unknown> | Error)[] = [],
): { appended: Observable<string>; listed: Observable<string>; store: BackUpOptions['store'] } {
  const { asked: appended, call: append } = drawnCalls(appendWords, ...appends);
  const { asked: listed, call: recordGaps } = drawnCalls(gapWords, ...gaps);
  return { appended, listed, store: { append, recordGaps } };
}

/** What is told of the store and its gaps, and how many changes an append held and how long it took. */
export function drawnJournalReports() {
  return drawnReports<PipelineEvent>((event) => {
    if (event.type === 'journaled') return `${event.changes} in ${event.ms}`;
    if (event.type === 'journal-gap') return `gap ${event.partition}: ${event.from} to ${event.to}`;
    if (event.type !== 'dependency') return event.type;
    return event.isUp ? `${event.name} up` : `${event.name} down: ${event.code}`;
  });
}

function appendWords({ partition }: Partition, changes: readonly Change[]): string {
  return `${partition}: ${wordsOf(changes)}`;
}

function gapWords(gaps: readonly JournalGap[]): string {
  return gaps.map(({ partition, from, to }) => `${partition}: ${from} to ${to}`).join(', ');
}
