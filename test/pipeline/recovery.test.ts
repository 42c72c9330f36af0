import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { of } from 'rxjs';
import { sizeOf } from '../../src/pipeline/change.ts';
import { lineOfEvent } from '../../src/pipeline/event-lines.ts';
import type { PipelineEvent } from '../../src/pipeline/events.ts';
import type { ParkedKey, Store } from '../../src/pipeline/ports.ts';
import { allParked, answerOf, changeAt, parkedAt } from '../conformance/store-samples.ts';
import { memoryStore, orders, pass, RunningRecovery, SWEEP_MS } from './running-recovery.ts';

async function storeWith(...keys: string[]): Promise<Store> {
  const store = await memoryStore();
  await answerOf(
    store.park(keys.map((key, offset) => parkedAt({ topic: 'shop', partition: 0 }, changeAt(orders, key, offset)))),
  );
  return store;
}

const progress = (events: readonly PipelineEvent[]) =>
  events.flatMap((event) => (event.type === 'recovered' ? [{ keys: event.keys, left: event.left }] : []));

test('one page is read ahead, another when every key of the oldest is let go, and each tells how many keys are left', async () => {
  const recovery = new RunningRecovery(await storeWith('a', 'b', 'c', 'd', 'e'), { keys: 2, bytes: 1 << 20 });
  recovery.assign(0);
  await pass(recovery.clock, 5 * SWEEP_MS);
  assert.deepEqual(recovery.keys, ['a b', 'c d'], 'no sweep joins one that is under way');
  await recovery.settle(recovery.pages[1]);
  assert.deepEqual(recovery.keys, ['a b', 'c d'], 'the oldest is not over');
  await recovery.settle(recovery.pages[0]);
  assert.deepEqual(recovery.keys, ['a b', 'c d', 'e']);
  await recovery.settle(recovery.pages[2]);
  assert.deepEqual(progress(recovery.events), [
    { keys: 2, left: 3 },
    { keys: 2, left: 1 },
    { keys: 1, left: 0 },
  ]);
  recovery.stop();
});

test('a log line of a page tells how many keys are left, where that is known', () => {
  const page = { type: 'recovered', topic: 'shop', partition: 0, keys: 2 } as const;
  const fields = { component: 'recovery', topic: 'shop', partition: 0, count: 2 };
  assert.deepEqual(lineOfEvent({ ...page, left: 3 })?.fields, { ...fields, left: 3 });
  assert.deepEqual(lineOfEvent({ ...page, left: null })?.fields, fields);
});

test('a page is bounded in bytes, charged to the in-flight limit, and is one batch under a ticket of no position', async () => {
  const store = await storeWith('a', 'b', 'c');
  const bytes = changeAt(orders, 'a', 0).document.length;
  const recovery = new RunningRecovery(store, { keys: 100, bytes: 2 * bytes + 200 });
  recovery.assign(0);
  await pass(recovery.clock, 10);
  const [page] = recovery.pages;
  assert.ok(page !== undefined && page.changes.length < 3);
  assert.equal(
    page.load.bytes,
    page.changes.reduce((sum, change) => sum + sizeOf(change), 0),
  );
  const sumOf = (part: 'bytes' | 'changes'): number => recovery.pages.reduce((sum, { load }) => sum + load[part], 0);
  assert.deepEqual([recovery.inFlight.bytes, recovery.inFlight.changes], [sumOf('bytes'), sumOf('changes')]);
  assert.equal(page.ticket.log, null);
  assert.equal(page.ticket.isLive, true);
  recovery.stop();
});

test('after the first pass a sweep brings a key only when its back-off has passed, and that doubles', async () => {
  const recovery = new RunningRecovery(await storeWith('a'));
  recovery.assign(0);
  const sweeps: number[] = [];
  for (let sweep = 0; sweep < 12; sweep += 1) {
    await pass(recovery.clock, sweep === 0 ? 1 : SWEEP_MS);
    const page = recovery.pages.pop();
    if (page === undefined) continue;
    sweeps.push(sweep);
    await recovery.settle(page);
  }
  // Next attempts after 1, 2, 4, 8, 16 and 32 s; a sweep every 10 s.
  assert.deepEqual(sweeps, [0, 1, 2, 3, 4, 6, 10]);
  recovery.stop();
});

test('keys that a former owner takes up late, by a clock an hour ahead, come back all the same', async () => {
  const store = await storeWith('a', 'b');
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 1);
  await recovery.settle(recovery.pages[0]);
  await allParked(store, { topic: 'shop', partition: 0 }, { nowMs: recovery.clock.now() + 3_600_000, onlyDue: true });
  await pass(recovery.clock, SWEEP_MS);
  assert.deepEqual(recovery.keys, ['a b', 'a b']);
  recovery.stop();
});

test('while the index takes nothing no page is read, and once it does every key comes, due or not', async () => {
  const store = await storeWith('a', 'b');
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 1);
  await recovery.settle(recovery.pages[0]);
  recovery.isIndexUp = false;
  const before = recovery.pages.length;
  await pass(recovery.clock, 100 * SWEEP_MS);
  assert.equal(recovery.pages.length, before);
  const nowMs = recovery.clock.now();
  for (let tries = 0; tries < 9; tries += 1) await allParked(store, { topic: 'shop', partition: 0 }, { nowMs });
  recovery.isIndexUp = true;
  await pass(recovery.clock, SWEEP_MS);
  assert.deepEqual(recovery.keys.slice(before), ['a b']);
  recovery.stop();
});

test('a store that is away at the assignment is told of, asked again, and recovery goes on when it answers', async () => {
  const store = await storeWith('a');
  let isAway = true;
  let asked = 0;
  const parkedCount: Store['parkedCount'] = async (partition) => {
    asked += 1;
    if (isAway) throw new Error('connect refused at db.internal');
    return await store.parkedCount(partition);
  };
  const recovery = new RunningRecovery({ ...store, parkedCount });
  recovery.assign(0);
  await pass(recovery.clock, 60_000);
  assert.equal(recovery.error, null);
  assert.deepEqual(recovery.pages, []);
  assert.ok(asked > 3 && asked < 200, `${asked} attempts in a minute`);
  const told = recovery.events.filter((event) => event.type === 'dependency');
  assert.deepEqual(told[0], {
    type: 'dependency',
    name: 'store',
    isUp: false,
    code: 'E4001',
    detail: 'the store gave no answer',
  });
  isAway = false;
  await pass(recovery.clock, 20_000);
  assert.deepEqual(recovery.keys, ['a']);
  const last = recovery.events.findLast((event) => event.type === 'dependency');
  assert.equal(last?.type === 'dependency' && last.isUp, true);
  recovery.stop();
});

test('an assignment in the middle of a page ends that pass and begins one of the new partitions', async () => {
  const store = await storeWith('a', 'b', 'c');
  await answerOf(store.park([parkedAt({ topic: 'shop', partition: 1 }, changeAt(orders, 'z', 7))]));
  const recovery = new RunningRecovery(store, { keys: 1, bytes: 1 << 20 });
  recovery.assign(0);
  await pass(recovery.clock, 1);
  recovery.assign(1);
  await pass(recovery.clock, 1);
  assert.deepEqual(recovery.keys, ['a', 'b', 'z']);
  await recovery.settle(recovery.pages[0]);
  await pass(recovery.clock, SWEEP_MS - 10);
  assert.deepEqual(recovery.keys, ['a', 'b', 'z'], 'the page of the old assignment asks for no other');
  assert.equal(await store.parkedCount({ topic: 'shop', partition: 0 }), 3, 'its keys stay parked');
  recovery.stop();
});

test('keys of every assigned partition come, one partition after the other', async () => {
  const store = await storeWith('a');
  await answerOf(store.park([parkedAt({ topic: 'shop', partition: 1 }, changeAt(orders, 'z', 7))]));
  const recovery = new RunningRecovery(store);
  recovery.assign(0, 1);
  await pass(recovery.clock, 1);
  assert.deepEqual(recovery.keys, ['a']);
  await recovery.settle(recovery.pages[0]);
  assert.deepEqual(recovery.keys, ['a', 'z']);
  recovery.stop();
});

test('at the end of input the sweep under way is finished and no other begins', async () => {
  const recovery = new RunningRecovery(await storeWith('a', 'b'), { keys: 1, bytes: 1 << 20 });
  recovery.assign(0);
  await pass(recovery.clock, 1);
  recovery.ended.next(true);
  assert.equal(recovery.isComplete, false);
  await recovery.settle(recovery.pages[0]);
  await recovery.settle(recovery.pages[1]);
  assert.deepEqual(recovery.keys, ['a', 'b']);
  assert.equal(recovery.isComplete, true);
});

test('a stop ends recovery at once, and what is parked stays parked', async () => {
  const store = await storeWith('a', 'b', 'c');
  const recovery = new RunningRecovery(store, { keys: 1, bytes: 1 << 20 });
  recovery.assign(0);
  await pass(recovery.clock, 1);
  recovery.halted.next(true);
  assert.equal(recovery.isComplete, true);
  await recovery.settle(recovery.pages[0]);
  assert.deepEqual(recovery.keys, ['a', 'b']);
  assert.equal(await store.parkedCount(), 3);
});

test('a store that owes nothing need not be told of settled keys; one that does, of every key', async () => {
  const empty = new RunningRecovery(await memoryStore());
  empty.assign(0);
  assert.ok(empty.parked.mayOwe({ topic: 'shop', partition: 0 }, orders, 'a'), 'until it was asked');
  await pass(empty.clock, 1);
  assert.equal(empty.parked.mayOwe({ topic: 'shop', partition: 0 }, orders, 'a'), false);
  assert.equal(empty.letters.mayOwe({ topic: 'shop', partition: 0 }, orders, 'a'), false);
  empty.stop();
  const owing = new RunningRecovery(await storeWith('a'));
  owing.assign(0);
  await pass(owing.clock, 1);
  assert.ok(owing.parked.mayOwe({ topic: 'shop', partition: 0 }, orders, 'any'));
  owing.stop();
});

test('twenty thousand pages are read in a row, not inside each other', async () => {
  const total = 20_000;
  const key: ParkedKey = parkedAt({ topic: 'shop', partition: 0 }, changeAt(orders, 'a', 1));
  const recovery = new RunningRecovery({
    parkedCount: () => of(total),
    letterCount: () => of(0),
    parked: (_, { cursor }) => {
      const page = Number(cursor ?? 0) + 1;
      return of({ keys: [key], cursor: page < total ? String(page) : null });
    },
    redrives: () => of([]),
    setLetterState: () => of(undefined),
  });
  recovery.assign(0);
  let pages = 0;
  recovery.clock.advance(1);
  for (let page = recovery.pages.pop(); page !== undefined; page = recovery.pages.pop()) {
    pages += 1;
    page.ticket.release();
  }
  await turn();
  assert.equal(pages, total);
  assert.deepEqual(progress(recovery.events).at(-1), { keys: 1, left: 0 });
  recovery.stop();
});
