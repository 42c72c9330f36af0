import { test } from 'node:test';
import { defer, map, type Observable, type OperatorFunction, type SchedulerLike } from 'rxjs';
import { type UpsertBufferOptions, upsertBuffer } from '../src/operators/upsert-buffer.ts';
import type { Change } from '../src/pipeline/change.ts';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import { wordsOf } from './change-words.ts';
import { drawnCalls, drawnReports, until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { recoveredPage, wordLog } from './word-log.ts';

const VALUES = { 1: 'a1', 2: 'b2', 3: 'a3', 4: 'b4', 5: 'a5', 6: 'b6', 7: 'a7', 8: 'b8' };

interface BufferWordsOptions extends Partial<Omit<UpsertBufferOptions, 'buffer'>> {
  readonly scheduler: SchedulerLike;
  readonly upsert: (changes: readonly Change[]) => Observable<never>;
}

/** Buffers batches written in words, and writes each batch that passes in words. */
function bufferWords({ upsert, ...options }: BufferWordsOptions): OperatorFunction<string, string> {
  return (words) =>
    defer(() =>
      words.pipe(
        map(wordLog().read),
        upsertBuffer({ buffer: { upsert }, probeMs: 6, report: () => undefined, ...options }),
        map(({ changes }) => wordsOf(changes)),
      ),
    );
}

/** A buffer that writes down what it is asked to store, and answers each call as drawn. */
function drawnBuffer(...answers: (Observable<unknown> | Error)[]) {
  const { asked, call } = drawnCalls((changes: readonly Change[]) => wordsOf(changes), ...answers);
  return { asked, upsert: call };
}

/** What is told of the buffer: up, down with its code and detail, or how many changes it took in how long. */
function drawnState() {
  return drawnReports<PipelineEvent>((event) => {
    if (event.type === 'buffered') return `${event.changes} in ${event.ms}`;
    if (event.type !== 'dependency') return event.type;
    return event.isUp ? `${event.name} up` : `${event.name} down: ${event.code} ${event.detail}`;
  });
}

test('a batch passes when the newest change of each of its rows is stored', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  -1---------|', { 1: 'a1 b2 a3 logs.a4 -b5' });
    const answer = cold('   ---r|');
    const stored = '       -^---!';
    const asked = '        -x';
    const batches = '      -----1-----|';
    const { asked: upserts, upsert } = drawnBuffer(answer);
    expectObservable(records.pipe(bufferWords({ scheduler, upsert }))).toBe(batches, { 1: 'a1 b2 a3 logs.a4 -b5' });
    expectObservable(upserts).toBe(asked, { x: 'a3 -b5 logs.a4' });
    expectSubscriptions(answer.subscriptions).toBe(stored);
  });
});

test('batches that come while others are being stored go together into the next call, with the newest change of each row', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  12-3------4-|', { 1: 'a1', 2: 'a2 b3', 3: 'b4', 4: 'a5' });
    const slow = cold('    -----|');
    const quick = cold('        -|');
    const stored = '       ^----!';
    const after = ['       -----^!', '----------^!'];
    const asked = '        x----y----z';
    const batches = '      -----1(23)-4|';
    const { asked: upserts, upsert } = drawnBuffer(slow, quick);
    const values = { 1: 'a1', 2: 'a2 b3', 3: 'b4', 4: 'a5' };
    expectObservable(records.pipe(bufferWords({ scheduler, upsert }))).toBe(batches, values);
    expectObservable(upserts).toBe(asked, { x: 'a1', y: 'a2 b4', z: 'a5' });
    expectSubscriptions(slow.subscriptions).toBe(stored);
    expectSubscriptions(quick.subscriptions).toBe(after);
  });
});

test('a call stores the rows of so many changes at most', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1234---------|', { 1: 'a1', 2: 'a2', 3: 'b3 c4 a5', 4: 'a6' });
    const asked = '        w--x--y--z';
    const batches = '      ---1--2--3--4|';
    const { asked: upserts, upsert } = drawnBuffer(cold('---|'));
    const values = { 1: 'a1', 2: 'a2', 3: 'b3 c4 a5', 4: 'a6' };
    expectObservable(records.pipe(bufferWords({ scheduler, upsert, maxChanges: 2 }))).toBe(batches, values);
    expectObservable(upserts).toBe(asked, { w: 'a1', x: 'a2', y: 'b3 c4 a5', z: 'a6' });
  });
});

test('a batch without changes passes in its turn and asks the buffer for nothing', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  12-----3---|', { 1: 'a1', 2: '', 3: '' });
    //                     ---|
    const asked = '        x';
    const batches = '      ---(12)3---|';
    const { asked: upserts, upsert } = drawnBuffer(cold('---|'));
    const values = { 1: 'a1', 2: '', 3: '' };
    expectObservable(records.pipe(bufferWords({ scheduler, upsert }))).toBe(batches, values);
    expectObservable(upserts).toBe(asked, { x: 'a1' });
  });
});

test('a call stores so many bytes of changes at most', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1234------------|', { 1: 'a1', 2: 'a2', 3: 'b3', 4: 'a4' });
    const asked = '        w----x----y';
    const batches = '      -----1----(23)-4|';
    const { asked: upserts, upsert } = drawnBuffer(cold('-----|'));
    const values = { 1: 'a1', 2: 'a2', 3: 'b3', 4: 'a4' };
    const maxBytes = 2 * wordLog().read('a1').load.bytes;
    expectObservable(records.pipe(bufferWords({ scheduler, upsert, maxBytes }))).toBe(batches, values);
    expectObservable(upserts).toBe(asked, { w: 'a1', x: 'a2 b3', y: 'a4' });
  });
});

test('a buffer that fails delays one batch once; until a probe is stored, batches pass at once', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  12----3---4---56--7------8----|', VALUES);
    //                       [ 6 ]    the buffer is left alone for probeMs = 6, then 4 is tried beside the stream
    const failing = cold(' --#');
    const probing = cold('           -----|');
    const storing = cold('                   --|');
    const asked = '        1---------4-------7------8';
    const failed = '       ^-!';
    const probed = '       ----------^----!';
    const stored = ['      ------------------^-!', '-------------------------^-!'];
    const batches = '      --(12)3---4---56----7------8--|';
    const state = '        --d------------(us)-t------t';
    const { asked: upserts, upsert } = drawnBuffer(failing, probing, storing);
    const { reported, report } = drawnState();
    expectObservable(records.pipe(bufferWords({ scheduler, upsert, report }))).toBe(batches, VALUES);
    expectObservable(upserts).toBe(asked, VALUES);
    expectSubscriptions(failing.subscriptions).toBe(failed);
    expectSubscriptions(probing.subscriptions).toBe(probed);
    expectSubscriptions(storing.subscriptions).toBe(stored);
    const values = { d: 'buffer down: E5001 error', u: 'buffer up', s: '1 in 5', t: '1 in 2' };
    expectObservable(reported).toBe(state, values);
  });
});

test('a probe that fails is not told of again, and the next one waits as long', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1------2-3-----4----5|', VALUES);
    //                      [ 6  ]    [ 6  ]        probeMs = 6: 3 comes while 2 is tried, 4 too early
    const failing = cold(' -#');
    const probing = cold('        ---#');
    const asked = '        1------2------------5';
    const probed = ['      -------^--!', '--------------------^!'];
    const batches = '      -1-----2-3-----4----5|';
    const state = '        -d';
    const { asked: upserts, upsert } = drawnBuffer(failing, probing);
    const { reported, report } = drawnState();
    expectObservable(records.pipe(bufferWords({ scheduler, upsert, report, probeMs: 6 }))).toBe(batches, VALUES);
    expectObservable(upserts).toBe(asked, VALUES);
    expectSubscriptions(probing.subscriptions).toBe(probed);
    expectObservable(reported).toBe(state, { d: 'buffer down: E5001 error' });
  });
});

test('a buffer that never answers delays one batch to the deadline, and no probe delays any', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-2------3---4-5---6---|', VALUES);
    //                     [ 5 ]    [ 5 ]    [ 5      deadlineMs = 5, probeMs = 3
    const silent = cold('  -');
    const waited = ['      ^----!', '---------^----!', '-------------------^---!'];
    const batches = '      -----(12)3---4-5---6---|';
    const { upsert } = drawnBuffer(silent);
    const { reported, report } = drawnState();
    const buffered = bufferWords({ scheduler, upsert, report, deadlineMs: 5, probeMs: 3 });
    expectObservable(records.pipe(buffered)).toBe(batches, VALUES);
    expectSubscriptions(silent.subscriptions).toBe(waited);
    expectObservable(reported).toBe('-----d', { d: 'buffer down: E5001 no answer within 5 ms' });
  });
});

test('a buffer that throws is a buffer that fails', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  12|', VALUES);
    const batches = '      12|';
    const { upsert } = drawnBuffer(new Error('not connected'));
    const { reported, report } = drawnState();
    expectObservable(records.pipe(bufferWords({ scheduler, upsert, report }))).toBe(batches, VALUES);
    expectObservable(reported).toBe('d', { d: 'buffer down: E5001 not connected' });
  });
});

test('a page of recovered keys passes like any batch, under its own ticket', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const pages = hot('    1-----|', { 1: 'a1 b2' });
    const batches = '      --x---|';
    const { inFlight } = wordLog();
    const { asked, upsert } = drawnBuffer(cold('--|'));
    const passed = pages.pipe(
      map((words) => recoveredPage(words, inFlight)),
      upsertBuffer({ buffer: { upsert }, report: () => undefined, scheduler }),
      map(({ changes, ticket }) => `${wordsOf(changes)}, free: ${ticket.isFree}, in a log: ${ticket.log !== null}`),
    );
    expectObservable(passed).toBe(batches, { x: 'a1 b2, free: false, in a log: false' });
    expectObservable(asked).toBe('x', { x: 'a1 b2' });
  });
});

test('the end of the source waits for what is being stored, and not for a probe', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const stored = hot('   1|', VALUES);
    const answer = cold('  ----|');
    const probed = hot('   1--2|', VALUES);
    const failing = cold(' -#');
    const probing = cold('    -----|');
    expectObservable(stored.pipe(bufferWords({ scheduler, ...drawnBuffer(answer) }))).toBe('----(1|)', VALUES);
    const beside = bufferWords({ scheduler, probeMs: 1, ...drawnBuffer(failing, probing) });
    expectObservable(probed.pipe(beside)).toBe('-1-2|', VALUES);
    expectSubscriptions(probing.subscriptions).toBe('---^!');
  });
});

test('an error of the source passes at once, and what is being stored is let go', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1-#', VALUES);
    const answer = cold('  ----|');
    const stored = '       ^-!';
    expectObservable(records.pipe(bufferWords({ scheduler, ...drawnBuffer(answer) }))).toBe('--#');
    expectSubscriptions(answer.subscriptions).toBe(stored);
  });
});

test('unsubscribing releases the source, what is being stored and the probe', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  12-----3--', VALUES);
    const subscribed = '   ^-------!';
    const failing = cold(' --#');
    const probing = cold('        ---|');
    const probed = '       -------^!';
    const batches = '      --(12)-3';
    const { upsert } = drawnBuffer(failing, probing);
    const buffered = records.pipe(bufferWords({ scheduler, upsert, probeMs: 2 }));
    expectObservable(buffered, subscribed).toBe(batches, VALUES);
    expectSubscriptions(records.subscriptions).toBe(subscribed);
    expectSubscriptions(probing.subscriptions).toBe(probed);
  });
});

test('two subscriptions share nothing: one does not know that the other found the buffer away', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1---2----|', VALUES);
    const late = '         ---^------';
    const first = '        -1--2----|';
    const second = '       ------2--|';
    const { asked, upsert } = drawnBuffer(cold('-#'), cold('--|'));
    const buffer = upsertBuffer({ buffer: { upsert }, probeMs: 60, report: () => undefined, scheduler });
    const buffered = defer(() => {
      const { read } = wordLog();
      return records.pipe(
        map(read),
        buffer,
        map(({ changes }) => wordsOf(changes)),
      );
    });
    expectObservable(buffered).toBe(first, VALUES);
    expectObservable(buffered, late).toBe(second, VALUES);
    expectObservable(asked).toBe('1---2', VALUES);
  });
});

test('a source that says nothing gives nothing, and an empty one completes', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const { upsert } = drawnBuffer(cold('|'));
    expectObservable(hot('-').pipe(bufferWords({ scheduler, upsert })), until(20)).toBe('-');
    expectObservable(cold('|').pipe(bufferWords({ scheduler, upsert }))).toBe('|');
  });
});
