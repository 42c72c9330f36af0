import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, map, NEVER, of, throwError } from 'rxjs';
import { settle } from '../src/operators/settle.ts';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import { OwedKeys } from '../src/pipeline/owed-keys.ts';
import { bulkWords, drawnIndex, indexed, outcomes, outcomesOf, settledWords } from './bulk-index-words.ts';
import { drawnCalls, drawnReports } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

const heldWords = (event: PipelineEvent): string | null =>
  event.type === 'held' ? `${event.table?.name ?? 'all'} for ${event.forMs}: ${event.errorType}` : null;

test('an index that takes nothing is left alone for a while, and another is not', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1----2-----|', { 1: 'a1 logs.b2', 2: 'a3 logs.b4' });
    //                     -|-|-|-|-|-|
    //                        [rows]      held for 6 from the answer
    const blocked = cold('   -(r|)', outcomes({ r: 'hold' }));
    const taken = cold('     -(r|)', outcomes({ r: 'done' }));
    const asked = '        --xy--z--w--';
    const { index, asked: calls } = drawnIndex(blocked, taken);
    const settled = '      ----y--z--w|';
    const values = { x: 'a1', y: 'logs.b2', z: 'logs.b4', w: 'a3' };
    const { report, reported } = drawnReports(heldWords);
    expectObservable(records.pipe(bulkWords({ scheduler, log, index, report }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
    expectObservable(reported).toBe('---h', { h: 'rows for 6: cluster_block_exception' });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('an index that refuses us altogether is left alone with all its tables', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------------|', { 1: 'a1 logs.b2' });
    //                        [  all ]     held for 6
    const refused = cold('   -(r|)', outcomes({ r: 'hold-all' }));
    const taken = cold('     -(r|)', outcomes({ r: 'done' }));
    const asked = '        --x------yz---';
    const { index, asked: calls } = drawnIndex(refused, taken);
    const values = { x: 'a1', y: 'logs.b2', z: 'a1' };
    const { report, reported } = drawnReports(heldWords);
    expectObservable(records.pipe(bulkWords({ scheduler, index, report }))).toBe('----------yz-|', values);
    expectObservable(calls).toBe(asked, values);
    expectObservable(reported).toBe('---h', { h: 'all for 6: security_exception' });
  });
});

test('after a hold one request at a time is tried until the index takes something', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1--------------------------|', { 1: 'a1 b2 c3 d4' });
    //                     -|                             one document a batch, two slots
    const blocked = cold('   -----(r|)', outcomes({ r: 'hold' }));
    const taken = cold('     -----(r|)', outcomes({ r: 'done' }));
    //                            [ 6  ]     held from the answer, then the first probe
    const tried = [
      '                    -------------^----!',
      '                    ------------------^----!', // taken: two at a time again
      '                    ------------------^----!',
      '                    -----------------------^----!',
    ];
    const { index } = drawnIndex(blocked, blocked, taken);
    const window = { batch: { documents: 1, bytes: 1 << 20 } };
    const settled = '      ------------------a----(bc)-(d|)';
    const values = { a: 'a1', b: 'b2', c: 'c3', d: 'd4' };
    expectObservable(records.pipe(bulkWords({ scheduler, index, window, slots: 2 }))).toBe(settled, values);
    expectSubscriptions(taken.subscriptions).toBe(tried);
  });
});

test('the widest of several holds in one answer counts, and what was taken beside them is settled', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-----------|', { 1: 'a1 b2 c3 d4' });
    const mixed = cold('     -(r|)', outcomes({ r: 'hold done hold-all hold' }));
    const taken = cold('     -(r|)', outcomes({ r: 'done done done' }));
    const { index } = drawnIndex(mixed, taken);
    const { report, reported } = drawnReports(heldWords);
    const settled = '      ---x------y-|';
    expectObservable(records.pipe(bulkWords({ scheduler, index, report }))).toBe(settled, { x: 'b2', y: 'a1 c3 d4' });
    expectObservable(reported).toBe('---h', { h: 'all for 6: security_exception' });
  });
});

test('a held change that is replaced meanwhile is never sent', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1---2--------|', { 1: 'a1', 2: '-a2' });
    const blocked = cold('   -(r|)', outcomes({ r: 'hold' }));
    const taken = cold('     -(r|)', outcomes({ r: 'done' }));
    const { index, asked } = drawnIndex(blocked, taken);
    const positions = '    0---------2---';
    expectObservable(records.pipe(bulkWords({ scheduler, log, index }))).toBe('----------x--|', { x: '-a2' });
    expectObservable(asked).toBe('--x------y', { x: 'a1', y: '-a2' });
    expectObservable(log.positions(scheduler), '^ 13ms !').toBe(positions, [0, 1, 2]);
  });
});

test('a request that is too large is halved down to the culprit, which is refused alone', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-----------|', { 1: 'a1 b2 c3 d4 e5' });
    const whole = cold('     -(r|)', outcomes({ r: 'split split split split split' }));
    const left = cold('       -(r|)', outcomes({ r: 'split split split' }));
    const pair = cold('         -(r|)', outcomes({ r: 'split split' }));
    const lone = cold('          -(r|)', outcomes({ r: 'done' }));
    const culprit = cold('        -(r|)', outcomes({ r: 'split' }));
    const right = cold('            -(r|)', outcomes({ r: 'done done' }));
    const { index, asked } = drawnIndex(whole, left, pair, lone, culprit, lone, right);
    const settled = '      ------abcd--|';
    const values = { a: 'a1', b: 'b2!request_too_large', c: 'c3', d: 'd4 e5' };
    expectObservable(records.pipe(bulkWords({ scheduler, log, index }))).toBe(settled, values);
    const calls = ['a1 b2 c3 d4 e5', 'a1 b2 c3', 'a1 b2', 'a1', 'b2', 'c3', 'd4 e5'];
    expectObservable(asked).toBe('--0123456', calls);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a half that fails for now is sent again before the other half, with attempts of its own', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1-------------|', { 1: 'a1 b2' });
    const whole = cold('     -(r|)', outcomes({ r: 'split split' }));
    const busy = cold('      -(r|)', outcomes({ r: 'retry' }));
    const taken = cold('      -(r|)', outcomes({ r: 'done' }));
    const asked = '        --wa--ab------';
    const { index, asked: calls } = drawnIndex(whole, busy, taken);
    const settled = '      -------ab-----|';
    const values = { w: 'a1 b2', a: 'a1', b: 'b2' };
    expectObservable(records.pipe(bulkWords({ scheduler, index }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
  });
});

test('a refused document comes out with its reason, its neighbours are settled, and it holds the position until it is', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1--------------', { 1: 'a1 b2 c3' });
    const until = '        ^------------!';
    const answer = cold('    -(r|)', outcomes({ r: 'done reject done' }));
    const { index } = drawnIndex(answer);
    const settled = '      ---x-----------';
    const unsettled = records.pipe(bulkWords({ scheduler, log, index, settles: false }));
    expectObservable(unsettled, until).toBe(settled, { x: 'a1 c3 b2!mapper_parsing_exception' });
    expectObservable(log.positions(scheduler), until).toBe('0', [0, 1, 2, 3]);
  });
});

test('the letter of a refused document is written before the position passes it', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-----------|', { 1: 'a1 b2' });
    const answer = cold('    -(r|)', outcomes({ r: 'done reject' }));
    const written = cold('     ----|');
    const writing = '      ---^---!';
    const positions = '    0------2';
    const { index } = drawnIndex(answer);
    const letters = drawnCalls<[readonly { key: string | null; reason: string }[]]>(
      (rejections) => rejections.map(({ key, reason }) => `${key}: ${reason}`).join(', '),
      written,
    );
    const store = {
      writeLetters: letters.call,
      unpark: () => NEVER,
      closeLetters: () => NEVER,
      addMonitorRows: () => EMPTY,
    };
    const [parked, open] = [new OwedKeys(), new OwedKeys()];
    for (const owed of [parked, open]) owed.none({ topic: 'shop', partition: 0 }, 0);
    const buffer = { remove: () => EMPTY };
    const whole = records.pipe(
      indexed({ scheduler, log, index }),
      settle({ store, buffer, parked, letters: open, report: () => undefined, scheduler }),
      map(settledWords),
    );
    expectObservable(whole).toBe('-------x----|', { x: 'a1 b2!mapper_parsing_exception' });
    expectObservable(letters.asked).toBe('---l', { l: 'b: mapper_parsing_exception' });
    expectObservable(log.positions(scheduler), '^ 12ms !').toBe(positions, [0, 1, 2]);
    expectSubscriptions(written.subscriptions).toBe(writing);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a table that must not be written to this index is held, with the reason that was given', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1---------------|', { 1: 'a1' });
    const taken = of(outcomesOf('done'));
    //                       [held for 6]
    const refusals = [of('paired-otherwise'), throwError(() => new Error('no store')), EMPTY, of(null)];
    const { index, asked } = drawnIndex(taken);
    const { report, reported } = drawnReports(heldWords);
    const admit = () => refusals.shift() ?? cold('#');
    const settled = '      20ms (x|)';
    expectObservable(records.pipe(bulkWords({ scheduler, index, admit, report }))).toBe(settled, { x: 'a1' });
    expectObservable(asked).toBe(' 20ms x', { x: 'a1' });
    const [said, unknown] = ['rows for 6: paired-otherwise', 'rows for 6: pairing-unknown'];
    expectObservable(reported).toBe('--s-----u-----u', { s: said, u: unknown });
  });
});
