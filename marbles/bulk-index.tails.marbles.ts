import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { filter, map, type Observable, of, type SchedulerLike, timer, VirtualTimeScheduler } from 'rxjs';
import type { BulkIndexOptions } from '../src/operators/bulk-index.ts';
import type { IndexWrite } from '../src/pipeline/ports.ts';
import { bulkWords, drawnIndex, outcomes, outcomesOf } from './bulk-index-words.ts';
import { drawnReports, steadyBackoff } from './drawn-calls.ts';
import { parkingStore } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

/** One character of waiting after each attempt. */
const backoff = steadyBackoff(1);

/** An index that says with one word what becomes of all documents of a request; what it is asked for is told in words. */
function answering(answer: (writes: readonly IndexWrite[]) => Observable<string>) {
  const { reported: asked, report } = drawnReports<string>((words) => words);
  const write: BulkIndexOptions['index']['write'] = (writes) => {
    report(
      writes
        .map(({ key, table, version }) => `${table.name === 'rows' ? '' : `${table.name}.`}${key}${version}`)
        .join(' '),
    );
    return answer(writes).pipe(map((word) => writes.flatMap(() => outcomesOf(word))));
  };
  return { asked, index: { write } };
}

const hasKey = (writes: readonly IndexWrite[], name: string): boolean => writes.some(({ key }) => key === name);

// ── a hot key ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a key that changes without pause is written every window, also when its retries are overtaken each time', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1-2-3-4-5-6-|', { 1: 'a1', 2: 'a2', 3: 'a3', 4: 'a4', 5: 'a5', 6: 'a6' });
    //                     --|-|-|-|-|-|-
    const asked = '        --1-2-3-4-5-6-'; //  the first request of two fails; the newest of the next window does not wait
    const settled = '      ----2---4---6|';
    let requests = 0;
    const { asked: calls, index } = answering(() => {
      requests += 1;
      return of(requests % 2 === 1 ? 'retry' : 'done');
    });
    const values = { 1: 'a1', 2: 'a2', 3: 'a3', 4: 'a4', 5: 'a5', 6: 'a6' };
    expectObservable(records.pipe(bulkWords({ scheduler, index, backoff: steadyBackoff(2) }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
  });
});

test('while every slot is slow a key that changes without pause is written by each slot that becomes free', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  -1-2-3-4-5-6-7--------|', {
      1: 'a1 b2',
      2: 'a3',
      3: 'a4 c5',
      4: 'a6',
      5: 'a7',
      6: 'a8',
      7: 'a9',
    });
    //                     --|-|-|-|-|-|-|-        two slots
    const answer = cold('    -----(r|)', outcomes({ r: 'done done' }));
    const asked = '        --x-y--z--w-v--u------'; //  a4 is never sent: a6 came while it waited for a slot
    const { index, asked: calls } = drawnIndex(answer);
    const settled = '      -------x-y--z--w-v--u-|';
    const values = { x: 'a1 b2', y: 'a3', z: 'a6 c5', w: 'a7', v: 'a8', u: 'a9' };
    expectObservable(records.pipe(bulkWords({ scheduler, index, slots: 2 }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
  });
});

test('however slow the slots and however often requests fail, a hot key is never further behind than both explain', () => {
  const stories = fc.record({
    answerMs: fc.integer({ min: 1, max: 20 }),
    slots: fc.integer({ min: 1, max: 4 }),
    failsInARow: fc.integer({ min: 0, max: 4 }),
    maxAttempts: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(stories, ({ answerMs, failsInARow, maxAttempts, slots }) => {
      const scheduler = new VirtualTimeScheduler(undefined, 100_000);
      const windowMs = 5;
      let tries = 0;
      const { index } = answering((writes) => {
        if (hasKey(writes, 'hot')) tries += 1;
        const word = hasKey(writes, 'hot') && tries % (failsInARow + 1) > 0 ? 'retry' : 'done';
        return timer(answerMs, scheduler).pipe(map(() => word));
      });
      // One change a millisecond: version n comes at n.
      const records = timer(1, 1, scheduler).pipe(
        map((n) => `hot${n + 1} k${String.fromCharCode(97 + (n % 20))}${n + 1}`),
      );
      let behind = 0;
      let written = 0;
      const subscription = records
        .pipe(bulkWords({ scheduler, index, slots, maxAttempts, backoff, window: { windowMs } }))
        .subscribe((words) => {
          const version = /(?:^| )hot(\d+)/.exec(words)?.[1];
          if (version === undefined) return;
          behind = Math.max(behind, scheduler.now() - written);
          written = Math.max(written, Number(version));
        });
      scheduler.schedule(() => subscription.unsubscribe(), 1000);
      scheduler.flush();
      // Each try costs an answer, a wait and at most one window more; the only slot may be busy with others before and after.
      const bound = (failsInARow + 2) * (3 * answerMs + 2 + windowMs);
      assert.ok(written > 1000 - bound && behind <= bound, `written ${written}, ${behind} behind, bound ${bound}`);
    }),
    { numRuns: 60 },
  );
});

// ── a document that makes its whole request fail ─────────────────────────────────────────────────────────────────────

/** Requests that hold one of these keys fail, `failMs` later, until `untilMs`. All others are taken at once. */
function spoiltBy(keys: readonly string[], scheduler: SchedulerLike, { failMs = 1, untilMs = 1e9 } = {}) {
  const requests: string[] = [];
  const { asked, index } = answering((writes) => {
    const isSpoilt = keys.some((key) => hasKey(writes, key)) && scheduler.now() < untilMs;
    return isSpoilt ? timer(failMs, scheduler).pipe(map(() => 'retry')) : of('done');
  });
  asked.subscribe((words) => requests.push(`${scheduler.now()}: ${words}`));
  return { index, requests };
}

test('a document that spoils every request it is in is found by halves, and travels alone from then on', () => {
  const log = wordLog();
  let requests: string[] = [];
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1-------2-------|', { 1: 'a1 b2 c3 d4 e5', 2: 'f6' });
    //                     --|-|-|-|-|-|-|-|-   windowMs = 2, two slots, one attempt
    const settled = '      ----a-(db)f---c--|';
    const spoilt = spoiltBy(['c'], scheduler, { untilMs: 14 });
    ({ requests } = spoilt);
    const { report, reported } = drawnReports<{ type: string; keys?: number }>((event) =>
      event.type === 'isolated' ? `${event.keys} alone` : null,
    );
    const options = { scheduler, log, index: spoilt.index, backoff, report, slots: 2, maxAttempts: 1 };
    const words = records.pipe(bulkWords(options));
    expectObservable(words).toBe(settled, { a: 'a1', d: 'd4 e5', b: 'b2', f: 'f6', c: 'c3' });
    expectObservable(reported).toBe('--------n', { n: '1 alone' });
  });
  assert.deepEqual(requests, [
    '2: a1 b2 c3 d4 e5',
    '4: a1', // does the index take anything?
    '4: b2 c3',
    '6: d4 e5',
    '6: b2',
    '6: c3',
    '8: c3',
    '10: f6',
    '10: c3',
    '12: c3',
    '14: c3',
  ]);
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a document that is known to spoil requests delays nobody, though it changes in every window and times out', () => {
  let requests: string[] = [];
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1 39ms 2-3-4-5-6-7--|', {
      1: 'a1 p2',
      2: 'p3 b4',
      3: 'p5 c6',
      4: 'p7 d8',
      5: 'p9 e10',
      6: 'p11 f12',
      7: 'p13 g14',
    });
    //                                              windowMs = 2, two slots, one attempt of 9
    const settled = '      12ms a 29ms b-c-d-e-f-g';
    const until = '        ^ 80ms !';
    const spoilt = spoiltBy(['p'], scheduler, { failMs: 9 });
    ({ requests } = spoilt);
    const options = { scheduler, index: spoilt.index, backoff, slots: 2, maxAttempts: 1 };
    const values = { a: 'a1', b: 'b4', c: 'c6', d: 'd8', e: 'e10', f: 'f12', g: 'g14' };
    expectObservable(records.pipe(bulkWords(options)), until).toBe(settled, values);
  });
  assert.deepEqual(
    requests.filter((words) => words.includes(': p')),
    ['12: p2', '22: p2', '32: p2', '42: p3', '52: p13', '62: p13', '72: p13'],
    'and is tried by one slot at a time',
  );
});

test('a document that spoils requests is parked when others would be, and nobody with it', () => {
  const log = wordLog();
  let calls: string[] = [];
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  -1--------------|', { 1: 'a1 p2 b3 c4' });
    //                     --|-|-|-|-|-|-|-   windowMs = 2, parked after 5
    const settled = '      ----a-c-b-------|';
    const positions = '    0----------4----';
    const store = parkingStore(scheduler, cold('-|'));
    ({ calls } = store);
    const { index } = spoiltBy(['p'], scheduler);
    const window = { park: store.park, parkAfterWindows: 5 };
    const words = records.pipe(bulkWords({ scheduler, log, index, backoff, maxAttempts: 1, window }));
    expectObservable(words).toBe(settled, { a: 'a1', b: 'b3', c: 'c4' });
    expectObservable(log.positions(scheduler), '^ 15ms !').toBe(positions, [0, 1, 2, 3, 4]);
  });
  assert.deepEqual(calls, ['10: p2 from 1']);
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('an index of which nothing gets through is asked for one document more, and not searched', () => {
  let requests: string[] = [];
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  -1-------', { 1: 'a1 b2 c3 d4 logs.e5' });
    const until = '        ^ 14ms !';
    const spoilt = spoiltBy(['a', 'b', 'c', 'd'], scheduler);
    ({ requests } = spoilt);
    const options = { scheduler, index: spoilt.index, backoff, slots: 2, maxAttempts: 2 };
    expectObservable(records.pipe(bulkWords(options)), until).toBe('--e', { e: 'logs.e5' });
  });
  assert.deepEqual(requests, [
    '2: a1 b2 c3 d4',
    '2: logs.e5',
    '4: a1 b2 c3 d4',
    '6: a1',
    '8: b2 c3 d4 a1',
    '10: b2 c3 d4 a1',
    '12: b2', // another one
    '14: c3 d4 a1 b2',
  ]);
});

test('of any batch with a few documents that spoil requests all others are indexed, and one is found in few requests', () => {
  const stories = fc.integer({ min: 2, max: 1000 }).chain((keys) =>
    fc.record({
      keys: fc.constant(keys),
      spoiling: fc.uniqueArray(fc.nat(keys - 1), { minLength: 1, maxLength: 4 }),
    }),
  );
  fc.assert(
    fc.property(stories, ({ keys, spoiling }) => {
      const scheduler = new VirtualTimeScheduler(undefined, 100_000);
      const log = wordLog();
      const names = Array.from({ length: keys }, (_, i) => `k${letters(i)}`);
      const bad = new Set(spoiling.map((i) => names[i] as string));
      const settled = new Set<string>();
      let failed = 0;
      const { index } = answering((writes) => {
        const isSpoilt = writes.some(({ key }) => bad.has(key));
        if (isSpoilt && writes.length > 1) failed += 1;
        return timer(1, scheduler).pipe(map(() => (isSpoilt ? 'retry' : 'done')));
      });
      const words = names.map((name, i) => `${name}${i + 1}`).join(' ');
      const subscription = timer(1, scheduler)
        .pipe(
          map(() => words),
          bulkWords({ scheduler, log, index, backoff, slots: 1 }),
        )
        .subscribe((some) => {
          for (const word of some.split(' ')) settled.add(word.replace(/\d+$/, ''));
        });
      scheduler.schedule(() => subscription.unsubscribe(), 2000);
      scheduler.flush();
      assert.equal(settled.size, keys - bad.size);
      if (bad.size === 1 && !bad.has('ka'))
        assert.ok(failed <= 3 + Math.ceil(Math.log2(keys)), `${failed} requests failed`);
    }),
    { numRuns: 40 },
  );
});

/** A name of letters for each number. */
function letters(number: number): string {
  return [...String(number)].map((digit) => String.fromCharCode(97 + Number(digit))).join('');
}

// ── a held index ─────────────────────────────────────────────────────────────────────────────────────────────────────

test('an index that takes nothing delays no other: their keys are written when they would be without it', () => {
  const stories = fc.record({
    slots: fc.integer({ min: 2, max: 4 }),
    holdMs: fc.integer({ min: 4, max: 20 }),
    held: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 }),
    others: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 }),
  });
  const play = ({
    held,
    holdMs,
    others,
    slots,
  }: {
    held: number[];
    holdMs: number;
    others: number[];
    slots: number;
  }) => {
    const scheduler = new VirtualTimeScheduler(undefined, 100_000);
    const { index } = answering((writes) =>
      timer(1, scheduler).pipe(map(() => (writes[0]?.table.name === 'rows' ? 'hold' : 'done'))),
    );
    const due = [
      ...held.map((at) => ({ at, name: 'a' })),
      ...others.map((at, i) => ({ at, name: `logs.k${letters(i)}` })),
    ].sort((x, y) => x.at - y.at);
    // Versions by time, so that they are the same without the held ones.
    const words = new Map<number, string[]>();
    for (const [i, { at, name }] of due.entries()) words.set(at, [...(words.get(at) ?? []), `${name}${at * 100 + i}`]);
    const written: string[] = [];
    const records = timer(1, 1, scheduler).pipe(
      map((i) => (words.get(i + 1) ?? []).join(' ')),
      filter((some) => some !== ''),
    );
    const subscription = records
      .pipe(bulkWords({ scheduler, index, slots, holdMs, backoff, window: { windowMs: 5 } }))
      .subscribe((some) => {
        for (const word of some.split(' ')) written.push(`${scheduler.now()}: ${word.replace(/\d+$/, '')}`);
      });
    scheduler.schedule(() => subscription.unsubscribe(), 100);
    scheduler.flush();
    return written.sort();
  };
  fc.assert(
    fc.property(stories, (story) => {
      const alone = play({ ...story, held: [] });
      assert.ok(alone.length > 0);
      assert.deepEqual(play(story), alone);
    }),
    { numRuns: 60 },
  );
});
