import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  distinctUntilChanged,
  interval,
  map,
  NEVER,
  type Observable,
  type OperatorFunction,
  pipe,
  type SchedulerLike,
  startWith,
  tap,
} from 'rxjs';
import { type ParseChangesOptions, parseChanges } from '../src/operators/parse-changes.ts';
import { type ChangeBatch, sizeOf } from '../src/pipeline/change.ts';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import { changesOf, wordsOf } from './change-words.ts';
import { drawnCalls, drawnReports, steadyBackoff, until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { letterWords, wordFormat } from './word-format.ts';
import { roomyInFlight, type WordLog, wordLog } from './word-log.ts';

/** What a ticket is charged with until the position has passed it. */
const TICKET_BYTES = 512;

interface ParseWordsOptions extends Partial<ParseChangesOptions> {
  readonly scheduler: SchedulerLike;
  readonly log?: WordLog;
}

/** Parses batches written in words; what follows in the stream is done with a batch as soon as it comes. */
function parseWords({ log = wordLog(), ...options }: ParseWordsOptions): OperatorFunction<string, string> {
  return pipe(
    map(log.readRecords),
    parseChanges({
      format: wordFormat,
      writeLetters: () => NEVER,
      backoff: steadyBackoff(3),
      inFlight: log.inFlight,
      report: () => undefined,
      ...options,
    }),
    tap((batch) => passOn(batch, log)),
    map(({ changes }) => wordsOf(changes)),
  );
}

function passOn({ load, ticket }: ChangeBatch, { inFlight }: WordLog): void {
  inFlight.add(-load.bytes, -load.changes);
  ticket.journaled();
  ticket.release();
}

/** A store that writes letters down, and answers each call as drawn. */
function letterStore(...answers: (Observable<unknown> | Error)[]) {
  return drawnCalls(letterWords, ...answers);
}

test('gives one batch for one batch, at once and in order', () => {
  inVirtualTime(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1--2(34)-|', { 1: 'b1 a2', 2: 'a3', 3: '-b4 logs.a5', 4: 'c6' });
    const subscribed = '   ^--------!';
    const batches = '      1--2(34)-|';
    const values = { 1: 'b1 a2', 2: 'a3', 3: '-b4 logs.a5', 4: 'c6' };
    expectObservable(records.pipe(parseWords({ scheduler }))).toBe(batches, values);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
  });
});

test('a batch keeps its ticket and its place, and is charged for its changes instead of its records', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-|', { 1: 'a1 ~2 b3' });
    const { inFlight, log, readRecords } = wordLog();
    const options = { format: wordFormat, writeLetters: () => NEVER, inFlight, report: () => undefined, scheduler };
    const kept = records.pipe(
      map(readRecords),
      parseChanges(options),
      map(({ topic, partition, ticket, load }) => ({
        place: `${topic}/${partition} ${ticket.firstOffset} to ${ticket.nextOffset}`,
        isOfLog: ticket.log === log,
        load,
        charged: { bytes: inFlight.bytes - TICKET_BYTES, changes: inFlight.changes },
      })),
    );
    const load = { bytes: changesOf('a1 b3').reduce((sum, change) => sum + sizeOf(change), 0), changes: 2 };
    expectObservable(kept).toBe('x-|', { x: { place: 'shop/0 0 to 3', isOfLog: true, load, charged: load } });
  });
});

test('a batch that asks nothing of the index still passes, and moves the position', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1-2---|', { 1: '~1 ~2', 2: 'a3' });
    const batches = '      -e-2---|';
    const positions = '    02-3----';
    expectObservable(records.pipe(parseWords({ scheduler, log }))).toBe(batches, { e: '', 2: 'a3' });
    expectObservable(log.positions(scheduler), until(8)).toBe(positions, [0, 1, 2, 3]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('what cannot be applied is written down beside the stream, and the position waits for it', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  -1-2-------|', { 1: 'a1 ?2 !b3 c4', 2: 'a5' });
    const batches = '      -1-2-------|';
    const letter = cold('   -----|');
    const asked = '        -x';
    const written = '      -^----!';
    const positions = '    0-----5-----';
    const { asked: letters, call: writeLetters } = letterStore(letter);
    const values = { 1: 'a1 c4', 2: 'a5' };
    expectObservable(records.pipe(parseWords({ scheduler, log, writeLetters }))).toBe(batches, values);
    expectObservable(letters).toBe(asked, { x: '?2 !b3' });
    expectSubscriptions(letter.subscriptions).toBe(written);
    expectObservable(log.positions(scheduler), until(12)).toBe(positions, [0, 1, 2, 3, 4, 5]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('letters that the store does not take are written again, ever more slowly, while the stream goes on', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1---2---3---------------|', { 1: 'a1 ?2', 2: 'a3', 3: 'a4' });
    const batches = '      1---2---3---------------|';
    //                      [2][ 4 ] [  6  ]       firstMs = 2, maxMs = 6
    const failing = cold(' -#');
    const writing = cold('                --|');
    const asked = '        x--x----x------x';
    const failed = ['      ^!', '---^!', '--------^!'];
    const written = '      ---------------^-!';
    const positions = '    0----------------4------';
    const { asked: letters, call: writeLetters } = letterStore(failing, failing, failing, writing);
    const backoff = { ...steadyBackoff(2), maxMs: 6 };
    const values = { 1: 'a1', 2: 'a3', 3: 'a4' };
    expectObservable(records.pipe(parseWords({ scheduler, log, writeLetters, backoff }))).toBe(batches, values);
    expectObservable(letters).toBe(asked, { x: '?2' });
    expectSubscriptions(failing.subscriptions).toBe(failed);
    expectSubscriptions(writing.subscriptions).toBe(written);
    expectObservable(log.positions(scheduler), until(24)).toBe(positions, [0, 1, 2, 3, 4]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a store that throws is a store that does not take letters', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-------|', { 1: '?1' });
    const batches = '      e-------|';
    const asked = '        x--x';
    const { asked: letters, call: writeLetters } = letterStore(new Error('not connected'), cold('-|'));
    expectObservable(records.pipe(parseWords({ scheduler, writeLetters }))).toBe(batches, { e: '' });
    expectObservable(letters).toBe(asked, { x: '?1' });
  });
});

test('the stream ends when the last letter is durable', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-2|', { 1: '?1 a2', 2: '?3' });
    const batches = '      1-e-----|';
    //                     ----|
    //                       -#   [3]
    //                            ---|
    const { call: writeLetters } = letterStore(cold('----|'), cold('-#'), cold('--|'));
    expectObservable(records.pipe(parseWords({ scheduler, writeLetters }))).toBe(batches, { 1: 'a2', e: '' });
  });
});

test('letters count against the in-flight limit until they are durable', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  -1--------|', { 1: '?1 ?2' });
    const held = '         0x---0-----';
    const log = wordLog();
    const { call: writeLetters } = letterStore(cold('----|'));
    const letters = interval(1, scheduler).pipe(
      map(() => log.inFlight.changes),
      startWith(0),
      distinctUntilChanged(),
      map(String),
    );
    expectObservable(records.pipe(parseWords({ scheduler, log, writeLetters }))).toBe('-e--------|', { e: '' });
    expectObservable(letters, until(11)).toBe(held, { 0: '0', x: '2' });
  });
});

test('tells what was parsed at once, and of letters when they are durable, by reason and table', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-----|', { 1: 'a1 -b2 ~3 ?4 !c5 !logs.d6 !logs.e7' });
    const events = '       p--(xyz)';
    const { call: writeLetters } = letterStore(cold('---|'));
    const { reported, report } = drawnReports<PipelineEvent>((event) => {
      if (event.type === 'parsed')
        return `${event.records}: ${event.updates} updates, ${event.deletes} deletes, ${event.rejected} rejected`;
      return event.type === 'dead-lettered' ? `${event.count} ${event.reason} of ${event.table}` : event.type;
    });
    expectObservable(records.pipe(parseWords({ scheduler, writeLetters, report }))).toBe('1-----|', { 1: 'a1 -b2' });
    expectObservable(reported).toBe(events, {
      p: '7: 1 updates, 1 deletes, 4 rejected',
      x: '1 not-json of ',
      y: '1 value-unreadable of shop.rows',
      z: '2 value-unreadable of shop.logs',
    });
  });
});

test('an error of the source passes at once, and leaves the position behind letters that are not durable', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-2-#', { 1: 'a1', 2: '?2' });
    const batches = '      1-e-#';
    const letter = cold('    -----|');
    const written = '      --^-!';
    const { call: writeLetters } = letterStore(letter);
    expectObservable(records.pipe(parseWords({ scheduler, log, writeLetters }))).toBe(batches, { 1: 'a1', e: '' });
    expectSubscriptions(letter.subscriptions).toBe(written);
  });
  assert.equal(log.log.settled, 1);
});

test('unsubscribing releases the source and the letters under way', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-2-----', { 1: 'a1', 2: '?2' });
    const subscribed = '   ^----!';
    const letter = cold('    -----|');
    const written = '      --^--!';
    const { call: writeLetters } = letterStore(letter);
    const parsed = records.pipe(parseWords({ scheduler, writeLetters }));
    expectObservable(parsed, subscribed).toBe('1-e', { 1: 'a1', e: '' });
    expectSubscriptions(records.subscriptions).toBe(subscribed);
    expectSubscriptions(letter.subscriptions).toBe(written);
  });
});

test('a source that says nothing gives nothing, and an empty one completes', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    expectObservable(hot('-').pipe(parseWords({ scheduler })), until(20)).toBe('-');
    expectObservable(cold('|').pipe(parseWords({ scheduler }))).toBe('|');
  });
});
