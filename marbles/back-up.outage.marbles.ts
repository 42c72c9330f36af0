import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distinctUntilChanged, filter, ignoreElements, interval, map, merge, startWith, tap } from 'rxjs';
import { backUp } from '../src/operators/back-up.ts';
import { sizeOf } from '../src/pipeline/change.ts';
import { InFlight } from '../src/pipeline/position.ts';
import { changeOf } from './change-words.ts';
import { until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { drawnJournal, drawnJournalReports, journalOptions, journalWords } from './journal-words.ts';
import { roomyInFlight, type WordLog, wordLog } from './word-log.ts';

const VALUES_OF_SIX = { 1: 'a1', 2: 'b2', 3: 'a3', 4: 'b4', 5: 'a5', 6: 'b6' };
const VALUES = { 1: 'a1', 2: 'b2', 3: 'a3', 4: '', 5: 'a5', 6: 'b6' };

test('when the store fails the batch passes, is listed as a gap as soon as the store answers, and then settles', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1----------|', { 1: 'a1 b2' });
    const failing = cold(' --#');
    const listing = cold('   ---|');
    const failed = '       ^-!';
    const listed = '       --^--!';
    const batches = '      --1--------|';
    const positions = '    0----2-----';
    const state = '        --d--(ug)';
    const journal = drawnJournal([failing], [listing]);
    const { reported, report } = drawnJournalReports();
    expectObservable(records.pipe(journalWords({ scheduler, log, report, store: journal.store }))).toBe(batches, {
      1: 'a1 b2',
    });
    expectObservable(journal.listed).toBe('--x', { x: '0: 0 to 1' });
    expectSubscriptions(failing.subscriptions).toBe(failed);
    expectSubscriptions(listing.subscriptions).toBe(listed);
    expectObservable(log.positions(scheduler), until(11)).toBe(positions, [0, 1, 2]);
    expectObservable(reported).toBe(state, { d: 'store down: E4001', g: 'gap 0: 0 to 1', u: 'store up' });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('while the store is away batches pass at once, and one gap lists them when it is back', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  12-----3-4-5---6-----|', VALUES);
    //                        [3]  [3]             backoff 3 after each gap that is refused
    const failing = cold(' --#');
    const refusing = cold('  -#');
    const listing = cold('           --|');
    const storing = cold('                ---|');
    const refused = ['     --^!', '------^!'];
    const listed = ['      ----------^-!', '------------^-!']; // 5 came while the first was being listed
    const stored = '       ---------------^--!';
    const batches = '      --(12)-3-4-5------6--|';
    const positions = '    0-----------4-5---6---';
    const state = '        --d---------(ug)';
    const journal = drawnJournal([failing, storing], [refusing, refusing, listing]);
    const { reported, report } = drawnJournalReports();
    const journaled = records.pipe(journalWords({ scheduler, log, report, store: journal.store }));
    expectObservable(journaled).toBe(batches, VALUES);
    expectObservable(journal.appended).toBe('x--------------y', { x: '0: a1', y: '0: b6' });
    expectObservable(journal.listed).toBe('--v---w---x-y', {
      v: '0: 0 to 0',
      w: '0: 0 to 1',
      x: '0: 0 to 2',
      y: '0: 4 to 4',
    });
    expectSubscriptions(refusing.subscriptions).toBe(refused);
    expectSubscriptions(listing.subscriptions).toBe(listed);
    expectSubscriptions(storing.subscriptions).toBe(stored);
    expectObservable(log.positions(scheduler), until(22)).toBe(positions, [0, 1, 2, 3, 4, 5, 6]);
    const values = { d: 'store down: E4001', u: 'store up', g: 'gap 0: 0 to 2' };
    expectObservable(reported, until(13)).toBe(state, values);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a store that is back is appended to at once, however much comes while its gap is listed', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-2-3-4-5-6|', VALUES_OF_SIX);
    //                      ---|                the gap of the first is listed
    //                         ---|             then that of the two that came meanwhile
    const failing = cold(' -#');
    const storing = cold('       ---|');
    const batches = '      -12-3----4--5--(6|)';
    const appends = '      x-----4--5--6';
    const { appended, listed, store } = drawnJournal([failing, storing], [cold('---|')]);
    expectObservable(records.pipe(journalWords({ scheduler, log, store }))).toBe(batches, VALUES_OF_SIX);
    expectObservable(appended).toBe(appends, { x: '0: a1', 4: '0: b4', 5: '0: a5', 6: '0: b6' });
    expectObservable(listed).toBe('-x--y', { x: '0: 0 to 0', y: '0: 1 to 2' });
  });
  assert.equal(log.log.settled, 6);
});

test('a delete is appended when the store is back, before its gap is listed, and holds the position until then', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-----------------|', { 1: 'a1 -b2 c3 -d4' });
    //                        [3]  [3]            backoff 3 after each failure
    const failing = cold(' -#');
    const refusing = cold(' --#');
    const storing = cold('       -|');
    const repeating = cold('          -|');
    const batches = '      -1----------------|';
    const positions = '    0--------------4---';
    const journal = drawnJournal([failing, refusing, storing, repeating], [cold('-#'), cold('---|')]);
    expectObservable(records.pipe(journalWords({ scheduler, log, store: journal.store }))).toBe(batches, {
      1: 'a1 -b2 c3 -d4',
    });
    expectObservable(journal.appended).toBe('xy----y----y', { x: '0: a1 -b2 c3 -d4', y: '0: -b2 -d4' });
    expectObservable(journal.listed).toBe('-------x----x', { x: '0: 0 to 3' });
    expectSubscriptions(refusing.subscriptions).toBe('-^-!');
    expectObservable(log.positions(scheduler), until(19)).toBe(positions, [0, 1, 2, 3, 4]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('each partition has gaps of its own, and one that was appended has none', () => {
  const inFlight = roomyInFlight();
  const logs = [0, 1, 2].map((partition) => wordLog({ inFlight, partition }));
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  0123------|');
    const batches = '      --1(03)-2-|';
    const first = cold('   ---|');
    const failing = cold('    -#');
    const storing = cold('     ------|');
    const { listed, store } = drawnJournal([first, failing, storing], [cold('--|')]);
    const { reported, report } = drawnJournalReports();
    const states = reported.pipe(filter((words) => words.startsWith('store')));
    const journaled = records.pipe(
      map((digit) => (logs[Number(digit) % 3] as WordLog).readUnjournaled(`a${Math.floor(Number(digit) / 3) + 1}`)),
      backUp(journalOptions({ scheduler, store, report })),
      tap(({ ticket }) => ticket.release()),
      map(({ partition }) => String(partition)),
    );
    expectObservable(journaled).toBe(batches, { 0: '0', 1: '1', 2: '2', 3: '0' });
    expectObservable(listed).toBe('--x-y', { x: '1: 0 to 0', y: '0: 1 to 1' });
    expectObservable(states).toBe('--d-u', { d: 'store down: E4001', u: 'store up' });
  });
  assert.deepEqual(
    logs.map(({ log }) => log.settled),
    [2, 1, 1],
  );
});

test('two outages are two gaps', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-----2----3----|', VALUES);
    const batches = '      -1-----2----3---|';
    const failing = cold(' -#');
    const storing = cold('       -|');
    const { listed, store } = drawnJournal([failing, storing, failing], [cold('--|')]);
    const { reported, report } = drawnJournalReports();
    expectObservable(records.pipe(journalWords({ scheduler, log, report, store }))).toBe(batches, VALUES);
    expectObservable(listed).toBe('-x----------y', { x: '0: 0 to 0', y: '0: 2 to 2' });
    expectObservable(reported).toBe('-d-(ug)s----d-(uh)', {
      d: 'store down: E4001',
      u: 'store up',
      g: 'gap 0: 0 to 0',
      s: '1 in 1',
      h: 'gap 0: 2 to 2',
    });
  });
  assert.equal(log.log.settled, 3);
});

test('what is owed is paid once, when the store goes away again meanwhile too', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-2--3--------|', VALUES);
    const failing = cold(' -#');
    //                      ---|               the gap of 1
    //                         ----|           that of 2, under way when 3 fails at 6
    //                             ----|       that of 3
    const batches = '      -12---3-------|';
    const positions = '    0---1---2---3--';
    const { listed, store } = drawnJournal([failing], [cold('---|'), cold('----|')]);
    expectObservable(records.pipe(journalWords({ scheduler, log, store }))).toBe(batches, VALUES);
    expectObservable(listed).toBe('-x--y---z', { x: '0: 0 to 0', y: '0: 1 to 1', z: '0: 2 to 2' });
    expectObservable(log.positions(scheduler), until(14)).toBe(positions, [0, 1, 2, 3]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('deletes that are owed fill the in-flight limit until they are in the journal', () => {
  const bytes = 2 * (sizeOf(changeOf('-a1')) + 512);
  const log = wordLog({ inFlight: new InFlight({ bytes, changes: 10 }) });
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  -1--2--3-----|', { 1: '-a1', 2: 'b2', 3: '-c3' });
    const full = '         0------1----0-';
    const journal = drawnJournal([cold('-#'), cold('---------|')], [cold('|')]);
    const isFull = interval(1, scheduler).pipe(
      map(() => log.inFlight.isFull),
      startWith(false),
      distinctUntilChanged(),
      map((is) => String(Number(is))),
    );
    const journaled = records.pipe(journalWords({ scheduler, log, store: journal.store }), ignoreElements());
    expectObservable(journaled).toBe('-------------|');
    expectObservable(isFull, until(13)).toBe(full);
  });
});

test('what is owed of a partition that was assigned anew is forgotten: it is read again', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1----------|', { 1: 'a1 -b2' });
    const retired = hot('  --r|');
    const { appended, listed, store } = drawnJournal([cold('-#')]);
    const journaled = records.pipe(journalWords({ scheduler, log, store }));
    const retiring = retired.pipe(tap(() => log.log.retire()));
    expectObservable(merge(journaled, retiring.pipe(ignoreElements()))).toBe('-1---------|', { 1: 'a1 -b2' });
    expectObservable(appended).toBe('xy', { x: '0: a1 -b2', y: '0: -b2' });
    expectObservable(listed).toBe('');
  });
  assert.equal(log.log.settled, 0);
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('the end of the source does not wait for what is owed, and the position stays behind it', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  12---|', VALUES);
    const listing = cold('  -----|');
    const batches = '      -(12)|';
    const journal = drawnJournal([cold('-#')], [listing]);
    expectObservable(records.pipe(journalWords({ scheduler, log, store: journal.store }))).toBe(batches, VALUES);
    expectSubscriptions(listing.subscriptions).toBe('-^---!');
  });
  assert.equal(log.log.settled, 0);
});

test('a store that throws is a store that is away', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------|', VALUES);
    const { listed, store } = drawnJournal([new Error('not open')], [new Error('not open'), cold('-|')]);
    expectObservable(records.pipe(journalWords({ scheduler, log, store }))).toBe('1------|', VALUES);
    expectObservable(listed).toBe('x--x', { x: '0: 0 to 0' });
  });
  assert.equal(log.log.settled, 1);
});
