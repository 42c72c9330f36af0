import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ignoreElements, merge, Subject, tap } from 'rxjs';
import { OwedKeys } from '../src/pipeline/owed-keys.ts';
import { tableNamed } from './change-words.ts';
import { steadyBackoff, until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { drawnSettlement, owingNothing, settleWords } from './settle-words.ts';
import { recoveredPage, roomyInFlight, wordLog } from './word-log.ts';

const PARTITION = { topic: 'shop', partition: 0 };

test('what the index refused is a letter before its position passes', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const indexed = hot('  --1-------|', { 1: 'a1 !b2 !c3' });
    const settled = '      -----1----|';
    const writing = cold('   --r|');
    const written = '      --^--!';
    const positions = '    0----3-----';
    const { asked, ports } = drawnSettlement({
      letters: [writing],
    });
    expectObservable(indexed.pipe(settleWords({ scheduler, log, ...ports }))).toBe(settled, { 1: 'a1 b2 c3' });
    expectObservable(asked.letters).toBe('--x', { x: 'b2!mapper_parsing_exception c3!mapper_parsing_exception' });
    expectSubscriptions(writing.subscriptions).toBe(written);
    expectObservable(asked.closed).toBe('');
    expectObservable(asked.removed).toBe('-----x', { x: 'a1 b2 c3' });
    expectObservable(asked.monitored).toBe('-----x', {
      x: 'shop.rows 0-rows: PARTIAL 1 + 2 of 3, 0 to 2, mapper_parsing_exception: see dead_letters',
    });
    expectObservable(log.positions(scheduler), until(11)).toBe(positions, [0, 1, 2, 3]);
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a newer version of a refused key closes its letter, and no other key is asked about', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  --1----2----3---|', { 1: '!a1 b2', 2: 'a3 b4', 3: 'a5' });
    const settled = '      ---1-----2--3---|';
    const positions = '    0--2-----4--5----';
    const { asked, ports } = drawnSettlement({
      letters: [cold('     -|')],
      closed: [cold('            --|')],
    });
    const values = { 1: 'b2 a1', 2: 'a3 b4', 3: 'a5' };
    expectObservable(indexed.pipe(settleWords({ scheduler, log, ...ports }))).toBe(settled, values);
    expectObservable(asked.closed).toBe('-------x', { x: 'a3' });
    expectObservable(log.positions(scheduler), until(17)).toBe(positions, [0, 1, 2, 3, 4, 5]);
  });
});

test('a recovered key that is refused is a letter before it is unparked', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  --1-------|', { 1: '!a1' });
    const settled = '      -------1--|';
    const { asked, ports } = drawnSettlement({
      letters: [cold('       ---|')],
      unparked: [cold('         --|')],
    });
    const read = (words: string) => recoveredPage(words, log.inFlight);
    expectObservable(indexed.pipe(settleWords({ scheduler, log, read, ...ports }))).toBe(settled, { 1: 'a1' });
    expectObservable(asked.letters).toBe('--x', { x: 'a1!mapper_parsing_exception' });
    expectObservable(asked.unparked).toBe('-----x', { x: 'a1' });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('a recovered key is unparked before its page is free', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  --1------|', { 1: 'a1 b2' });
    const settled = '      -----1---|';
    const freed = '        -----f';
    const { asked, ports } = drawnSettlement({ unparked: [cold('---|')] });
    const free = new Subject<string>();
    const read = (words: string) => recoveredPage(words, log.inFlight, () => free.next('f'));
    expectObservable(free).toBe(freed);
    expectObservable(indexed.pipe(settleWords({ scheduler, log, read, ...ports }))).toBe(settled, { 1: 'a1 b2' });
    expectObservable(asked.unparked).toBe('--x', { x: 'a1 b2' });
  });
  assert.deepEqual(log.inFlight, roomyInFlight());
});

test('as long as nobody has counted what the store holds, it is told of every key', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  --1------|', { 1: 'a1 b2' });
    const settled = '      ------1--|';
    const { asked, ports } = drawnSettlement({
      closed: [cold('---|')],
      unparked: [cold('   -|')],
    });
    const options = { scheduler, log, parked: new OwedKeys(), letters: new OwedKeys(), ...ports };
    expectObservable(indexed.pipe(settleWords(options))).toBe(settled, { 1: 'a1 b2' });
    expectObservable(asked.closed).toBe('  --x', { x: 'a1 b2' });
    expectObservable(asked.unparked).toBe('-----x', { x: 'a1 b2' });
  });
});

test('a store that fails is told again, and holds the position while other batches settle', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const indexed = hot('  1--2----3-------|', { 1: 'a1', 2: 'b2', 3: 'c3' });
    //                      [3]  [ 6 ]          firstMs = 3, maxMs = 6
    const failing = cold(' -#');
    const telling = cold('            --|');
    const failed = ['      ^!', '----^!'];
    const told = '         -----------^-!';
    const settled = '      ---2----3----1--|';
    const positions = '    0------------3---';
    const { asked, ports } = drawnSettlement({
      unparked: [failing, failing, telling],
    });
    const parked = owingNothing();
    parked.add(PARTITION, { table: tableNamed(), key: 'a', version: 1 });
    const backoff = { ...steadyBackoff(3), maxMs: 6 };
    const settling = settleWords({ scheduler, log, parked, backoff, ...ports });
    expectObservable(indexed.pipe(settling)).toBe(settled, { 1: 'a1', 2: 'b2', 3: 'c3' });
    expectObservable(asked.unparked).toBe('x---x------x', { x: 'a1' });
    expectSubscriptions(failing.subscriptions).toBe(failed);
    expectSubscriptions(telling.subscriptions).toBe(told);
    expectObservable(log.positions(scheduler), until(17)).toBe(positions, [0, 1, 2, 3]);
  });
});

test('a key whose letter is still on its way to the store is settled there after it', () => {
  const log = wordLog();
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const indexed = hot('  1----------|', { 1: 'a2' });
    const arrived = hot('  -----w|');
    //                     [3][3]         the letter of a1 is not there yet: asked again at 3 and 6
    const settled = '      -------1---|';
    const { asked, ports } = drawnSettlement({ closed: [cold('-|')] });
    const letters = owingNothing();
    const letter = { table: tableNamed(), key: 'a', version: 1 };
    letters.writing(PARTITION, letter, letter);
    const writing = arrived.pipe(
      tap(() => letters.written(PARTITION, letter, letter)),
      ignoreElements(),
    );
    const settling = indexed.pipe(settleWords({ scheduler, log, letters, ...ports }));
    expectObservable(merge(writing, settling)).toBe(settled, { 1: 'a2' });
    expectObservable(asked.closed).toBe('------x', { x: 'a2' });
  });
});
