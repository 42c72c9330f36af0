import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, map, merge, Subject, tap } from 'rxjs';
import { backUp } from '../src/operators/back-up.ts';
import { wordsOf } from './change-words.ts';
import { until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { drawnJournal, drawnJournalReports, journalOptions, journalWords } from './journal-words.ts';
import { roomyInFlight, type WordLog, wordLog } from './word-log.ts';

test('a batch passes when its changes are in the journal, unfolded and in order', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  -1---------|', { 1: 'a1 b2 a3 -b4' });
    const answer = cold('   ---r|');
    const written = '      -^---!';
    const batches = '      -----1-----|';
    const positions = '    0----4-----';
    const { appended, store } = drawnJournal([answer]);
    expectObservable(records.pipe(journalWords({ scheduler, log, store }))).toBe(batches, { 1: 'a1 b2 a3 -b4' });
    expectObservable(appended).toBe('-x', { x: '0: a1 b2 a3 -b4' });
    expectSubscriptions(answer.subscriptions).toBe(written);
    expectObservable(log.positions(scheduler), until(11)).toBe(positions, [0, 1, 2, 3, 4]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('what comes while an append is under way goes together into the next one', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  12-3--------4-|', { 1: 'a1', 2: 'a2 b3', 3: 'c4', 4: 'a5' });
    const answer = cold('  ----|');
    const written = ['     ^---!', '----^---!', '------------^---!'];
    const batches = '      ----1---(23)----(4|)';
    const { appended, store } = drawnJournal([answer]);
    const values = { 1: 'a1', 2: 'a2 b3', 3: 'c4', 4: 'a5' };
    expectObservable(records.pipe(journalWords({ scheduler, store }))).toBe(batches, values);
    expectObservable(appended).toBe('x---y-------z', { x: '0: a1', y: '0: a2 b3 c4', z: '0: a5' });
    expectSubscriptions(answer.subscriptions).toBe(written);
  });
});

test('an append gathers so many changes at most, and a larger batch is appended alone', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  12345---------|', { 1: 'a1', 2: 'a2', 3: 'a3 b4 c5', 4: 'a6', 5: 'a7' });
    const appends = '      x----y----z----w';
    const { appended, store } = drawnJournal([cold('-----|')]);
    const journal = journalWords({ scheduler, store, maxChanges: 2 });
    expectObservable(records.pipe(journal)).toBe('-----1----2----3----(45|)', {
      1: 'a1',
      2: 'a2',
      3: 'a3 b4 c5',
      4: 'a6',
      5: 'a7',
    });
    expectObservable(appended).toBe(appends, { x: '0: a1', y: '0: a2', z: '0: a3 b4 c5', w: '0: a6 a7' });
  });
});

test('an append gathers so many bytes at most', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1234------------|', { 1: 'a1', 2: 'a2', 3: 'b3', 4: 'a4' });
    const appends = '      x----y----z';
    const batches = '      -----1----(23)-4|';
    const { appended, store } = drawnJournal([cold('-----|')]);
    const journal = journalWords({ scheduler, store, maxBytes: 2 * wordLog().read('a1').load.bytes });
    expectObservable(records.pipe(journal)).toBe(batches, { 1: 'a1', 2: 'a2', 3: 'b3', 4: 'a4' });
    expectObservable(appended).toBe(appends, { x: '0: a1', y: '0: a2 b3', z: '0: a4' });
  });
});

test('a batch without changes passes in its turn, asks nothing and moves the position', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  12-----3---|', { 1: 'a1', 2: '', 3: '' });
    //                     ---|
    const batches = '      ---(12)3---|';
    const positions = '    0--2---3---';
    const { appended, store } = drawnJournal([cold('---|')]);
    expectObservable(records.pipe(journalWords({ scheduler, log, store }))).toBe(batches, { 1: 'a1', 2: '', 3: '' });
    expectObservable(appended).toBe('x', { x: '0: a1' });
    expectObservable(log.positions(scheduler), until(11)).toBe(positions, [0, 1, 2, 3]);
  });
});

test('partitions are appended side by side, and the batches of each pass in the order they came', () => {
  const inFlight = roomyInFlight();
  const one = wordLog({ inFlight });
  const other = wordLog({ inFlight, partition: 1 });
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  123------|', { 1: 'a1', 2: 'b2', 3: 'b1' });
    const first = cold('   ---|');
    const slow = cold('       ----|');
    const quick = cold('     -|');
    const written = '      ---^---!';
    const batches = '      ---(13)2-|';
    const positions = '    0--1---2-';
    const reads: Record<string, typeof one.read> = { a1: one.readUnjournaled, b2: one.readUnjournaled };
    const { appended, store } = drawnJournal([first, quick, slow]);
    const journaled = records.pipe(
      map((words) => (reads[words] ?? other.readUnjournaled)(words)),
      backUp(journalOptions({ scheduler, store, log: one })),
      tap(({ ticket }) => ticket.release()),
      map(({ changes }) => wordsOf(changes)),
    );
    expectObservable(journaled).toBe(batches, { 1: 'a1', 2: 'b2', 3: 'b1' });
    expectObservable(appended).toBe('x-yz', { x: '0: a1', y: '1: b1', z: '0: b2' });
    expectSubscriptions(slow.subscriptions).toBe(written);
    expectObservable(one.positions(scheduler), until(9)).toBe(positions, [0, 1, 2]);
  });
  assert.equal(other.log.settled, 1);
});

test('so many appends are under way at most, and the partition that has waited longest is next', () => {
  const inFlight = roomyInFlight();
  const logs = [0, 1, 2].map((partition) => wordLog({ inFlight, partition }));
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  0121---------|');
    const appends = '      xy---zw';
    const batches = '      -----01---21-|';
    const { appended, store } = drawnJournal([cold('-----|')]);
    const journaled = records.pipe(
      map((digit) =>
        (logs[Number(digit)] as WordLog).readUnjournaled(digit === '1' && logs[1]?.log.read === 1 ? 'a2' : 'a1'),
      ),
      backUp(journalOptions({ scheduler, store, maxAppends: 2 })),
      tap(({ ticket }) => ticket.release()),
      map(({ partition }) => String(partition)),
    );
    expectObservable(journaled).toBe(batches, { 0: '0', 1: '1', 2: '2' });
    expectObservable(appended).toBe(appends, { x: '0: a1', y: '1: a1', z: '2: a1', w: '1: a2' });
  });
});

test('what passing a batch makes the source send comes after the batches that wait', () => {
  inVirtualTime(({ cold, expectObservable, scheduler }) => {
    const sent = new Subject<string>();
    const batches = '      ---(1234)';
    const { store } = drawnJournal([cold('---|'), EMPTY]);
    const journaled = merge(cold('(123)', { 1: 'a1', 2: 'b2', 3: 'c3' }), sent).pipe(
      journalWords({ scheduler, store }),
      tap((words) => {
        if (words === 'b2') sent.next('d4');
      }),
    );
    expectObservable(journaled, until(9)).toBe(batches, { 1: 'a1', 2: 'b2', 3: 'c3', 4: 'd4' });
  });
});

test('with `changes: none` only deletes are appended, and all else passes and settles at once', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  -1-2----3-|', { 1: 'a1 b2', 2: 'a3 -b4 -c5', 3: 'a6' });
    const batches = '      -1----2-3-|';
    const positions = '    02----5-6--';
    const { appended, store } = drawnJournal([cold('---|')]);
    const journal = journalWords({ scheduler, log, store, changes: 'none' });
    expectObservable(records.pipe(journal)).toBe(batches, { 1: 'a1 b2', 2: 'a3 -b4 -c5', 3: 'a6' });
    expectObservable(appended).toBe('---x', { x: '0: -b4 -c5' });
    expectObservable(log.positions(scheduler), until(11)).toBe(positions, [0, 1, 2, 3, 4, 5, 6]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('with `changes: none` and deletes that need no row the store is never asked', () => {
  const log = wordLog();
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1-2-|', { 1: 'a1', 2: '-a2' });
    const batches = '      -1-2-|';
    const { appended, store } = drawnJournal([new Error('not to be asked')]);
    const journal = journalWords({ scheduler, log, store, changes: 'none', deletesMustBeDurable: false });
    expectObservable(records.pipe(journal)).toBe(batches, { 1: 'a1', 2: '-a2' });
    expectObservable(appended).toBe('');
  });
  assert.equal(log.log.settled, 2);
});

test('with `changes: none` an outage has no gap, and deletes alone hold the position', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-2----3--|', { 1: '-a1', 2: 'b2', 3: 'b3' });
    const batches = '      -12----3--|';
    const positions = '    0----2-3---';
    const { appended, listed, store } = drawnJournal([cold('-#'), cold('----|')]);
    const journal = journalWords({ scheduler, log, store, changes: 'none' });
    expectObservable(records.pipe(journal)).toBe(batches, { 1: '-a1', 2: 'b2', 3: 'b3' });
    expectObservable(appended).toBe('xx', { x: '0: -a1' });
    expectObservable(listed).toBe('');
    expectObservable(log.positions(scheduler), until(11)).toBe(positions, [0, 1, 2, 3]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('tells how many changes an append held and how long it took', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  123-------|', { 1: 'a1', 2: 'b2 c3', 3: 'a4' });
    const { reported, report } = drawnJournalReports();
    const { store } = drawnJournal([cold('--|'), cold('---|')]);
    const batches = '      --1--(23)-|';
    expectObservable(records.pipe(journalWords({ scheduler, store, report }))).toBe(batches, {
      1: 'a1',
      2: 'b2 c3',
      3: 'a4',
    });
    expectObservable(reported).toBe('--x--y', { x: '1 in 2', y: '3 in 3' });
  });
});

test('the end of the source waits for the append under way', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  12|', { 1: 'a1', 2: 'a2' });
    const batches = '      ---1--(2|)';
    const { store } = drawnJournal([cold('---|')]);
    expectObservable(records.pipe(journalWords({ scheduler, store }))).toBe(batches, { 1: 'a1', 2: 'a2' });
  });
});

test('an error of the source passes at once, and the position stays behind what is not journaled', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1--2-#', { 1: 'a1', 2: 'a2' });
    const answer = cold('  --|');
    const silent = cold('     -');
    const waited = '       ---^-!';
    const batches = '      --1--#';
    const { store } = drawnJournal([answer, silent]);
    expectObservable(records.pipe(journalWords({ scheduler, log, store }))).toBe(batches, { 1: 'a1' });
    expectSubscriptions(silent.subscriptions).toBe(waited);
  });
  assert.equal(log.log.settled, 1);
});

test('unsubscribing releases the source and the append under way', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1--2-----', { 1: 'a1', 2: 'a2' });
    const subscribed = '   ^----!';
    const answer = cold('  --|');
    const silent = cold('     -');
    const waited = '       ---^-!';
    const { store } = drawnJournal([answer, silent]);
    expectObservable(records.pipe(journalWords({ scheduler, store })), subscribed).toBe('--1', { 1: 'a1' });
    expectSubscriptions(records.subscriptions).toBe(subscribed);
    expectSubscriptions(silent.subscriptions).toBe(waited);
  });
});

test('a source that says nothing gives nothing, and an empty one completes', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const { store } = drawnJournal([cold('|')]);
    expectObservable(hot('-').pipe(journalWords({ scheduler, store })), until(20)).toBe('-');
    expectObservable(cold('|').pipe(journalWords({ scheduler, store }))).toBe('|');
  });
});
