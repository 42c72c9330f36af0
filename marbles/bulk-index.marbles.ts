import assert from 'node:assert/strict';
import { test } from 'node:test';
import { map } from 'rxjs';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import { textOf } from '../src/pipeline/json-document.ts';
import type { IndexWrite } from '../src/pipeline/ports.ts';
import { bulkWords, drawnIndex, indexed, outcomes, outcomesOf } from './bulk-index-words.ts';
import { drawnReports } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

test('writes each due batch once, and says what was settled when the index has answered', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1----2--------|', { 1: 'a1 b2', 2: 'a3 -b4' });
    //                     -|-|-|-|-|-|-|-   windowMs = 2
    const answer = cold('    ---r|', outcomes({ r: 'done done' }));
    const answered = ['    --^---!', '------^---!'];
    const asked = '        --x---y--------';
    const settled = '      ------x---y---|';
    const positions = '    0-----2---4----';
    const { index, asked: calls } = drawnIndex(answer);
    expectObservable(records.pipe(bulkWords({ scheduler, log, index }))).toBe(settled, { x: 'a1 b2', y: 'a3 -b4' });
    expectObservable(calls).toBe(asked, { x: 'a1 b2', y: 'a3 -b4' });
    expectObservable(log.positions(scheduler), '^ 14ms !').toBe(positions, [0, 1, 2, 3, 4]);
    expectSubscriptions(answer.subscriptions).toBe(answered);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('an upsert carries its document and a delete none, both their version', () => {
  const writes: IndexWrite[] = [];
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1-|', { 1: 'a1 -b2' });
    const settled = '      --(x|)';
    const index = {
      write: (batch: readonly IndexWrite[]) => {
        writes.push(...batch);
        return [outcomesOf('done done')];
      },
    };
    expectObservable(records.pipe(bulkWords({ scheduler, index }))).toBe(settled, { x: 'a1 -b2' });
  });
  const facts = writes.map(({ key, version, document }) => ({ key, version, document: document && textOf(document) }));
  assert.deepEqual(facts, [
    { key: 'a', version: 1, document: '{"version":1}' },
    { key: 'b', version: 2, document: null },
  ]);
});

test('what the index holds in a newer version is settled like what it took', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1---|', { 1: 'a1 -b2 c3' });
    const answer = cold('    -(r|)', outcomes({ r: 'newer newer done' }));
    const settled = '      ---x|';
    const { index } = drawnIndex(answer);
    const { report, reported } = drawnReports<PipelineEvent>((event) =>
      event.type === 'bulk' ? `${event.documents} sent, ${event.done} done, ${event.conflicts} newer` : null,
    );
    expectObservable(records.pipe(bulkWords({ scheduler, index, report }))).toBe(settled, { x: 'a1 -b2 c3' });
    expectObservable(reported).toBe('---b', { b: '3 sent, 3 done, 2 newer' });
  });
});

test('as many requests as slots are in flight, and the next batch waits for the first that ends', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1------------|', { 1: 'a1 b2 c3 d4' });
    //                     -|             one document a batch, two slots
    const slow = cold('      ------r|', outcomes({ r: 'done' }));
    const quick = cold('     ---r|', outcomes({ r: 'done' }));
    const asked = '        --(xy)z--w----';
    const { index, asked: calls } = drawnIndex(slow, quick, quick, quick);
    const settled = '      ------y--xz--(w|)';
    const window = { batch: { documents: 1, bytes: 1 << 20 } };
    const values = { x: 'a1', y: 'b2', z: 'c3', w: 'd4' };
    expectObservable(records.pipe(bulkWords({ scheduler, index, window, slots: 2 }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
    expectSubscriptions(slow.subscriptions).toBe('  --^------!');
    expectSubscriptions(quick.subscriptions).toBe(['--^---!', '------^---!', '---------^---!']);
  });
});

test('keys fold on while every slot is busy, and a settlement frees only what was written', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1--2-3-------|', { 1: 'a1', 2: 'a2', 3: 'a3 b4' });
    const one = cold('       -----r|', outcomes({ r: 'done' }));
    const two = cold('             --r|', outcomes({ r: 'done done' }));
    const settled = '      --------x--y-|';
    const positions = '    0-------1--4--';
    const { index } = drawnIndex(one, two);
    expectObservable(records.pipe(bulkWords({ scheduler, log, index }))).toBe(settled, { x: 'a1', y: 'a3 b4' });
    expectObservable(log.positions(scheduler), '^ 13ms !').toBe(positions, [0, 1, 2, 3, 4]);
  });
});

test('completes when the source has and every request is answered and settled', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const empty = cold('   |');
    const never = cold('   -');
    const records = hot('  1|', { 1: 'a1' });
    const answer = cold('   ----r|', outcomes({ r: 'done' }));
    const settled = '      ------(x|)';
    expectObservable(records.pipe(bulkWords({ scheduler, ...drawnIndex(answer) }))).toBe(settled, { x: 'a1' });
    expectObservable(empty.pipe(bulkWords({ scheduler, ...drawnIndex() }))).toBe('|');
    expectObservable(never.pipe(bulkWords({ scheduler, ...drawnIndex() })), '^ 9ms !').toBe('-');
  });
});

test('an error of the source passes at once and ends the requests', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1---#', { 1: 'a1' });
    const answer = cold('    ----r|', outcomes({ r: 'done' }));
    const { index } = drawnIndex(answer);
    expectObservable(records.pipe(bulkWords({ scheduler, index }))).toBe('----#');
    expectSubscriptions(answer.subscriptions).toBe('                     --^-!');
  });
});

test('a defect after the answer ends the stream loudly, and the position stays', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1------', { 1: 'a1' });
    const answer = cold('    -(r|)', outcomes({ r: 'done' }));
    const { index } = drawnIndex(answer);
    const defect = new Error('a defect');
    const report = (): void => {
      throw defect;
    };
    expectObservable(records.pipe(bulkWords({ scheduler, log, index, report }))).toBe('---#', {}, defect);
    expectSubscriptions(records.subscriptions).toBe('                           ^--!');
  });
  assert.equal(log.log.settled, 0);
});

test('unsubscribing ends requests and waits, and asks nothing more, though a batch was waiting for a slot', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1--2-----', { 1: 'a1', 2: 'b2' });
    const until = '        ^------!';
    const answer = cold('    ---------r|', outcomes({ r: 'done' }));
    const asked = '        --x------';
    const { index, asked: calls } = drawnIndex(answer);
    expectObservable(records.pipe(bulkWords({ scheduler, index })), until).toBe('---');
    expectObservable(calls).toBe(asked, { x: 'a1' });
    expectSubscriptions(answer.subscriptions).toBe('--^----!');
    expectSubscriptions(records.subscriptions).toBe(until);
  });
});

test('unsubscribing ends the wait before a retry', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1--------', { 1: 'a1' });
    const until = '        ^---!';
    const answer = cold('    -(r|)', outcomes({ r: 'retry' }));
    const asked = '        --x------'; //  the next attempt would be at 5
    const { index, asked: calls } = drawnIndex(answer);
    expectObservable(records.pipe(bulkWords({ scheduler, index })), until).toBe('---');
    expectObservable(calls).toBe(asked, { x: 'a1' });
  });
});

test('two subscriptions share no slot', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-------|', { 1: 'a1' });
    const answer = cold('    ----r|', outcomes({ r: 'done' }));
    const { index } = drawnIndex(answer);
    const settled = records.pipe(
      map(() => 'a1'),
      bulkWords({ scheduler, index, log: wordLog() }),
    );
    const other = records.pipe(
      indexed({ scheduler, index }),
      map(({ startedMs, endedMs }) => endedMs - startedMs),
    );
    expectObservable(settled).toBe('-------x|', { x: 'a1' });
    expectObservable(other, '^-------!').toBe('-------x-', { x: 5 });
    expectSubscriptions(answer.subscriptions).toBe(['--^----!', '--^----!']);
  });
});
