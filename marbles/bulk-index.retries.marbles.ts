import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER, type Observable, of } from 'rxjs';
import { bulkWords, type DrawnAnswer, drawnIndex, outcomes, outcomesOf } from './bulk-index-words.ts';
import { drawnReports } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

test('what fails for now is sent again in its slot, alone, after a wait that doubles', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1----------------|', { 1: 'a1 b2 c3' });
    const first = cold('     -(r|)', outcomes({ r: 'retry done retry' }));
    const second = cold('       -(r|)', outcomes({ r: 'retry done' }));
    const third = cold('             -(r|)', outcomes({ r: 'done' }));
    const asked = '        --x--y----z------';
    //                        [2]  [ 4]
    const { index, asked: calls } = drawnIndex(first, second, third);
    const settled = '      ---b--c----a-----|';
    const positions = '    0----------3------';
    expectObservable(records.pipe(bulkWords({ scheduler, log, index }))).toBe(settled, { a: 'a1', b: 'b2', c: 'c3' });
    expectObservable(calls).toBe(asked, { x: 'a1 b2 c3', y: 'a1 c3', z: 'a1' });
    expectObservable(log.positions(scheduler), '^ 17ms !').toBe(positions, [0, 1, 2, 3]);
    expectSubscriptions(first.subscriptions).toBe('--^!');
    expectSubscriptions(second.subscriptions).toBe('-----^!');
    expectSubscriptions(third.subscriptions).toBe('----------^!');
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a retry keeps its slot through the wait, and the other slots go on', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-------|', { 1: 'a1 b2 c3 d4' });
    //                     -|         one document a batch, two slots, back-off from 4
    const failed = cold('    -(r|)', outcomes({ r: 'retry' }));
    const taken = cold('     ------(r|)', outcomes({ r: 'done' }));
    const asked = '        --(ab)-ac----d-----'; //  c3 has the slot of b2, d4 that of a1
    const { index, asked: calls } = drawnIndex(failed, taken);
    const settled = '      --------b----ac----(d|)';
    const window = { batch: { documents: 1, bytes: 1 << 20 } };
    const backoff = { firstMs: 4, random: () => 1 };
    const values = { a: 'a1', b: 'b2', c: 'c3', d: 'd4' };
    expectObservable(records.pipe(bulkWords({ scheduler, index, window, backoff, slots: 2 }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
  });
});

test('the wait is a share of the back-off that chance decides', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1--------------|', { 1: 'a1' });
    const answers = [
      cold('                 (r|)', outcomes({ r: 'retry' })),
      cold('                   (r|)', outcomes({ r: 'retry' })),
      cold('                     (r|)', outcomes({ r: 'done' })),
    ];
    const asked = '        --x-x-x---------'; //  2 of 8, then 2 of 16
    const { index, asked: calls } = drawnIndex(...answers);
    const shares = [0.25, 0.125];
    const backoff = { firstMs: 8, random: () => shares.shift() ?? 1 };
    expectObservable(records.pipe(bulkWords({ scheduler, index, backoff }))).toBe('------x--------|', { x: 'a1' });
    expectObservable(calls).toBe(asked, { x: 'a1' });
  });
});

test('what a newer change has replaced leaves the retry, and its successor is sent with the next window', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1--2-----|', { 1: 'a1 b2', 2: 'a3' });
    //                     -|-|-|-|-|
    const first = cold('     -(r|)', outcomes({ r: 'retry retry' }));
    const taken = cold('          -(r|)', outcomes({ r: 'done' }));
    const asked = '        --x--yz---'; //  a3 was due at 4 and waited for the slot
    const { index, asked: calls } = drawnIndex(first, taken);
    const settled = '      ------bA-|';
    const { report, reported } = drawnReports<{ type: string; keys?: number }>((event) =>
      event.type === 'superseded-in-flight' ? `${event.keys} replaced` : null,
    );
    expectObservable(records.pipe(bulkWords({ scheduler, log, index, report }))).toBe(settled, { b: 'b2', A: 'a3' });
    expectObservable(calls).toBe(asked, { x: 'a1 b2', y: 'b2', z: 'a3' });
    expectObservable(reported).toBe('-----n', { n: '1 replaced' });
  });
  assert.equal(log.log.settled, 3);
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a retry of which nothing is left asks nothing', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1--2-----|', { 1: 'a1', 2: 'a2' });
    const first = cold('     -(r|)', outcomes({ r: 'retry' }));
    const taken = cold('          -(r|)', outcomes({ r: 'done' }));
    const asked = '        --x--y----';
    const { index, asked: calls } = drawnIndex(first, taken);
    expectObservable(records.pipe(bulkWords({ scheduler, index }))).toBe('------y--|', { y: 'a2' });
    expectObservable(calls).toBe(asked, { x: 'a1', y: 'a2' });
  });
});

test('after the last attempt and one more wait what is left rejoins the fold, and others get the slot', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1--2----------|', { 1: 'a1', 2: 'logs.b2' });
    const failed = cold('    (r|)', outcomes({ r: 'retry' }));
    const taken = cold('     -(r|)', outcomes({ r: 'done' }));
    //                       [2][ 4 ]    two attempts, then logs.b2 has its turn before a1
    const asked = '        --x-x---yz';
    const { index, asked: calls } = drawnIndex(failed, failed, taken);
    const settled = '      ---------yz---|';
    const values = { x: 'a1', y: 'logs.b2', z: 'a1' };
    expectObservable(records.pipe(bulkWords({ scheduler, index, maxAttempts: 2 }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
  });
});

test('a wait that the server asks for is kept when it is longer than the back-off', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-----------|', { 1: 'a1' });
    const busy = cold('      (r|)', outcomes({ r: 'wait7' }));
    const taken = cold('     (r|)', outcomes({ r: 'done' }));
    const asked = '        --x------x---';
    const { index, asked: calls } = drawnIndex(busy, taken);
    expectObservable(records.pipe(bulkWords({ scheduler, index }))).toBe('---------x--|', { x: 'a1' });
    expectObservable(calls).toBe(asked, { x: 'a1' });
  });
});

test('of several waits that the server asks for in one answer the longest counts', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-----------|', { 1: 'a1 b2 c3' });
    const busy = cold('      (r|)', outcomes({ r: 'wait3 wait7 retry' }));
    const taken = cold('     (r|)', outcomes({ r: 'done done done' }));
    const asked = '        --x------x---';
    const { index, asked: calls } = drawnIndex(busy, taken);
    expectObservable(records.pipe(bulkWords({ scheduler, index }))).toBe('---------x--|', { x: 'a1 b2 c3' });
    expectObservable(calls).toBe(asked, { x: 'a1 b2 c3' });
  });
});

test('a server that asks for more than the longest back-off has its index held, and the slot goes to others', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1----2---------|', { 1: 'a1 logs.b2', 2: 'a3' });
    const busy = cold('      (r|)', outcomes({ r: 'wait11' }));
    const taken = cold('     (r|)', outcomes({ r: 'done' }));
    //                       [ rows: 11 ]
    const asked = '        --(xy)-------z--'; //  nothing of rows before
    const settled = '      --y----------z-|';
    const { index, asked: calls } = drawnIndex(busy, taken);
    const { report, reported } = drawnReports<{ type: string; forMs?: number }>((event) =>
      event.type === 'held' ? `${event.forMs} ms` : null,
    );
    const backoff = { firstMs: 2, maxMs: 10, random: () => 1 };
    const values = { x: 'a1', y: 'logs.b2', z: 'a3' };
    expectObservable(records.pipe(bulkWords({ scheduler, index, backoff, report }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
    expectObservable(reported).toBe('--h', { h: '11 ms' });
  });
});

test('nothing is known after an answer that errs, is empty or too short, or a call that throws: it is sent again', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1--------|', { 1: 'a1 b2' });
    const taken = cold('     (r|)', outcomes({ r: 'done done' }));
    const short = cold('     (r|)', outcomes({ r: 'done' }));
    const withFirst = (first: DrawnAnswer, then = taken): Observable<string> =>
      records.pipe(bulkWords({ scheduler, ...drawnIndex(first, then) }));
    const values = { x: 'a1 b2', y: 'a1', z: 'b2' };
    expectObservable(withFirst(taken)).toBe('            --x------|', values);
    expectObservable(withFirst(new Error('defect'))).toBe('----x----|', values);
    expectObservable(withFirst(cold<never>('#'))).toBe('        ----x----|', values);
    expectObservable(withFirst(cold<never>('--#'))).toBe('      ------x--|', values);
    expectObservable(withFirst(cold<never>('|'))).toBe('        ----x----|', values);
    expectObservable(withFirst(cold<never>('--|'))).toBe('      ------x--|', values);
    expectObservable(withFirst(short, short)).toBe('     --y-z----|', values);
  });
});

test('a request that is never answered keeps one slot, and the others go on', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1--2---|', { 1: 'a1', 2: 'a2 b3' });
    const until = '        ^ 20ms !';
    const asked = '        --x-y---';
    const { index, asked: calls } = drawnIndex(NEVER, of(outcomesOf('done done')));
    const settled = '      ----y---';
    expectObservable(records.pipe(bulkWords({ scheduler, index, slots: 2 })), until).toBe(settled, { y: 'a2 b3' });
    expectObservable(calls).toBe(asked, { x: 'a1', y: 'a2 b3' });
  });
});
