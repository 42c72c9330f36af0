import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store } from '../../src/pipeline/ports.ts';
import { answerOf, changeAt, letterAt, parkedAt } from '../conformance/store-samples.ts';
import { memoryStore, orders } from './running-recovery.ts';
import { RunningStream } from './running-stream.ts';

const place = { topic: 'shop', partition: 0 };

test('while the store is away at the assignment live changes reach the index, and parked keys follow when it is back', async () => {
  const store = await memoryStore();
  await answerOf(store.park([parkedAt(place, changeAt(orders, 'old', 0))]));
  let isAway = true;
  const down = async (): Promise<never> => {
    throw new Error('away');
  };
  const flaky = (call: (...given: never[]) => unknown) =>
    ((...given: never[]) => (isAway ? down() : call(...given))) as never;
  const known = { ...store, parkedCount: flaky(store.parkedCount), letterCount: flaky(store.letterCount) };
  const stream = new RunningStream({
    ...known,
    append: flaky(store.append),
    recordGaps: flaky(store.recordGaps),
  } as Store);
  await stream.clock.pass(100);
  stream.write(orders, 'live');
  await stream.clock.pass(10_000);
  assert.deepEqual([...stream.indexed], ['shop_orders live@1']);
  assert.ok(stream.events.some((event) => event.type === 'dependency' && event.name === 'store' && !event.isUp));
  assert.equal(stream.log.settled, 0, 'nothing passes what is not in the journal');
  isAway = false;
  await stream.clock.pass(30_000);
  assert.deepEqual([...stream.indexed], ['shop_orders live@1', 'shop_orders old@1']);
  assert.equal(await store.parkedCount(), 0);
  assert.equal(stream.log.settled, 1);
  assert.deepEqual(await store.gaps(), [{ ...place, from: 0, to: 0, reason: 'store-unreachable' }]);
  assert.equal(stream.error, null);
  stream.stop();
});

test('a parked key goes at once, a newer live change of it in its window, and then the store owes nothing', async () => {
  const store = await memoryStore();
  const stream = new RunningStream(store);
  await answerOf(store.park([parkedAt(place, { ...changeAt(orders, 'a', 0), version: 1 })]));
  stream.write(orders, 'b');
  const newer = stream.write(orders, 'a');
  await stream.clock.pass(20_000);
  assert.deepEqual([...stream.indexed], ['shop_orders a@1', 'shop_orders b@1', `shop_orders a@${newer.version}`]);
  assert.equal(await store.parkedCount(), 0);
  assert.equal(stream.log.settled, 2);
  stream.stop();
});

test('a letter that is sent again is closed when the index has taken it', async () => {
  const store = await memoryStore();
  await answerOf(store.writeLetters([letterAt(place, changeAt(orders, 'a', 0))]));
  const stream = new RunningStream(store);
  await stream.clock.pass(5000);
  assert.deepEqual([...stream.indexed], []);
  await store.requestRedrive({});
  await stream.clock.pass(20_000);
  assert.deepEqual([...stream.indexed], ['shop_orders a@1']);
  assert.deepEqual(
    (await store.letters({})).map(({ state }) => state),
    ['closed'],
  );
  stream.stop();
});
