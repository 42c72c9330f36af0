import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER } from 'rxjs';
import { until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { drawnSettledReports, drawnSettlement, settleWords } from './settle-words.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

test('what the index took settles at once: the position passes, the buffer forgets, a monitor row is written', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  --1--2----|', { 1: 'a1 -b2', 2: 'logs.c3' });
    const settled = '      --1--2----|';
    const calls = '        --x--y';
    const positions = '    0-2--3-----';
    const { asked, ports } = drawnSettlement({ removed: [cold('---r|')], monitored: [cold('--r|')] });
    const values = { 1: 'a1 -b2', 2: 'logs.c3' };
    expectObservable(indexed.pipe(settleWords({ scheduler, log, ...ports }))).toBe(settled, values);
    expectObservable(asked.removed).toBe(calls, { x: 'a1 b2', y: 'c3' });
    expectObservable(asked.monitored).toBe(calls, {
      x: 'shop.rows 0-rows: SUCCESS 2 + 0 of 2, 0 to 2',
      y: 'shop.logs 1-logs: SUCCESS 1 + 0 of 1, 3 to 5',
    });
    expectObservable(log.positions(scheduler), until(11)).toBe(positions, [0, 1, 2, 3]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('the end waits for neither the buffer nor the monitor row, and lets them go', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const indexed = hot('  --1-|', { 1: 'a1' });
    const settled = '      --1-|';
    const slow = cold('      -----|');
    const asked = '        --^-!';
    const { ports } = drawnSettlement({ removed: [slow], monitored: [slow] });
    expectObservable(indexed.pipe(settleWords({ scheduler, log, ...ports }))).toBe(settled, { 1: 'a1' });
    expectSubscriptions(slow.subscriptions).toBe([asked, asked]);
  });
});

test('a buffer or a monitor row that fails, throws or is never answered delays nothing and is not repeated', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  --1--2--3----|', { 1: 'a1', 2: 'a2', 3: 'a3' });
    const settled = '      --1--2--3----|';
    const positions = '    0-1--2--3-----';
    const answers = [cold('-#'), new Error('not connected'), NEVER];
    const { asked, ports } = drawnSettlement({ removed: answers, monitored: answers });
    const values = { 1: 'a1', 2: 'a2', 3: 'a3' };
    expectObservable(indexed.pipe(settleWords({ scheduler, log, ...ports }))).toBe(settled, values);
    expectObservable(asked.removed).toBe('--1--2--3', values);
    expectObservable(log.positions(scheduler), until(14)).toBe(positions, [0, 1, 2, 3]);
  });
});

test('the end of the source waits for what must be durable', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  12|', { 1: '!a1', 2: 'b2' });
    //                     -#
    //                       [3]
    //                         --|
    const settled = '      -2----(1|)';
    const { ports } = drawnSettlement({ letters: [cold('-#'), cold('--|')] });
    const values = { 1: 'a1', 2: 'b2' };
    expectObservable(indexed.pipe(settleWords({ scheduler, log, ...ports }))).toBe(settled, values);
  });
  assert.equal(log.log.settled, 2);
});

test('tells what ended, and of letters once a reason', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  --1----|', { 1: 'a1 -b2 !c3 !d4' });
    const { ports } = drawnSettlement({ letters: [cold('--|')] });
    const { reported, report } = drawnSettledReports();
    const settling = indexed.pipe(settleWords({ scheduler, log, report, ...ports }));
    expectObservable(settling).toBe('----1--|', { 1: 'a1 -b2 c3 d4' });
    expectObservable(reported).toBe('--l-s', {
      l: '2 mapper_parsing_exception of shop.rows',
      s: '1 + 1 - 2 of 1001 to 1002 at 4',
    });
  });
});

test('an error of the source passes at once, and the position stays behind what is not durable', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const indexed = hot('  1-2-#', { 1: 'a1', 2: '!b2' });
    const writing = cold('   -----|');
    const written = '      --^-!';
    const settled = '      1---#';
    const { ports } = drawnSettlement({ letters: [writing] });
    expectObservable(indexed.pipe(settleWords({ scheduler, log, ...ports }))).toBe(settled, { 1: 'a1' });
    expectSubscriptions(writing.subscriptions).toBe(written);
  });
  assert.equal(log.log.settled, 1);
});

test('unsubscribing releases the source and every call under way', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const indexed = hot('  1-2----', { 1: 'a1', 2: '!b2' });
    const subscribed = '   ^---!';
    const slow = cold('    -');
    const removed = '      ^---!';
    const written = '      --^-!';
    const { ports } = drawnSettlement({ letters: [slow], removed: [slow] });
    const settling = indexed.pipe(settleWords({ scheduler, log, ...ports }));
    expectObservable(settling, subscribed).toBe('1', { 1: 'a1' });
    expectSubscriptions(indexed.subscriptions).toBe(subscribed);
    expectSubscriptions(slow.subscriptions).toBe([removed, written]);
  });
});

test('a source that says nothing gives nothing, and an empty one completes', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const { ports } = drawnSettlement({});
    expectObservable(hot('-').pipe(settleWords({ scheduler, log, ...ports })), until(20)).toBe('-');
    expectObservable(cold('|').pipe(settleWords({ scheduler, log, ...ports }))).toBe('|');
  });
});
