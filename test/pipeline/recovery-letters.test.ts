import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, Rejection } from '../../src/pipeline/change.ts';
import type { Store } from '../../src/pipeline/ports.ts';
import { answerOf, changeAt, letterAt } from '../conformance/store-samples.ts';
import { memoryStore, orders, pass, RunningRecovery, SWEEP_MS } from './running-recovery.ts';

const place = { topic: 'shop', partition: 0 };

async function storeWith(letters: readonly Rejection[], journal: readonly Change[] = []): Promise<Store> {
  const store = await memoryStore();
  if (journal.length > 0) await answerOf(store.append(place, journal));
  await answerOf(store.writeLetters(letters));
  return store;
}

async function states(store: Store): Promise<string[]> {
  return (await store.letters({})).map(({ key, state }) => `${key ?? '-'} ${state}`);
}

test('a letter that nobody asked to send again is left alone', async () => {
  const store = await storeWith([letterAt(place, changeAt(orders, 'a', 1))]);
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 3 * SWEEP_MS);
  assert.deepEqual(recovery.pages, []);
  assert.deepEqual(await states(store), ['a open']);
  recovery.stop();
});

test('a marked letter is sent with its own version at the next sweep, and is open again until it is settled', async () => {
  const change = changeAt(orders, 'a', 1);
  const store = await storeWith([letterAt(place, change)]);
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 1);
  await store.requestRedrive({ id: 1 });
  await pass(recovery.clock, SWEEP_MS);
  const [sent] = recovery.pages;
  assert.deepEqual(
    sent?.changes.map(({ document, key, op, version }) => ({ document, key, op, version })),
    [{ document: change.document, key: 'a', op: 'upsert', version: change.version }],
  );
  assert.deepEqual(await states(store), ['a open']);
  assert.ok(recovery.letters.mayOwe(place, orders, 'a'), 'settling must close it');
  await recovery.settle(sent);
  await pass(recovery.clock, 3 * SWEEP_MS);
  assert.equal(recovery.pages.length, 1, 'it is sent once');
  recovery.stop();
});

test('what the journal knows of the same change is sent, where the letter holds only the beginning of it', async () => {
  const change = changeAt(orders, 'a', 1);
  const store = await storeWith([letterAt(place, change, { body: '{"id":"a","at"' })], [change]);
  await store.requestRedrive({ id: 1 });
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 1);
  assert.equal(recovery.pages[0]?.changes[0]?.document, change.document);
  recovery.stop();
});

test('a letter that a newer change has overtaken is closed and never sent', async () => {
  const [older, newer] = [changeAt(orders, 'a', 1), changeAt(orders, 'a', 5)];
  const store = await storeWith([letterAt(place, older), letterAt(place, changeAt(orders, 'b', 2))], [older, newer]);
  await store.requestRedrive({});
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 1);
  assert.deepEqual(recovery.keys, ['b']);
  assert.deepEqual(await states(store), ['a closed', 'b open']);
  recovery.stop();
});

test('a marked letter that holds a whole record stays open, is told of, and holds up no other', async () => {
  const record: Rejection = {
    ...place,
    reason: 'not-json',
    detail: 'unexpected token',
    offset: 3,
    version: 4,
    table: null,
    key: null,
    op: null,
    body: '{{{',
  };
  const store = await storeWith([record, letterAt(place, changeAt(orders, 'b', 5))]);
  await store.requestRedrive({});
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 1);
  assert.deepEqual(recovery.keys, ['b']);
  assert.deepEqual(await states(store), ['- open', 'b open']);
  const notices = recovery.events.filter((event) => event.type === 'notice');
  assert.deepEqual(
    notices.map(({ kind, partition, topic }) => ({ kind, partition, topic })),
    [{ kind: 'not-redrivable', partition: 0, topic: 'shop' }],
  );
  assert.doesNotMatch(JSON.stringify(notices), /\{\{\{/);
  recovery.stop();
});

test('a marked delete is sent as a delete', async () => {
  const store = await storeWith([letterAt(place, changeAt(orders, 'a', 1, { op: 'delete' }))]);
  await store.requestRedrive({});
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 1);
  assert.equal(recovery.pages[0]?.changes[0]?.op, 'delete');
  recovery.stop();
});

test('more marked letters than a page holds come sweep by sweep, each once', async () => {
  const letters = ['a', 'b', 'c', 'd', 'e'].map((key, offset) => letterAt(place, changeAt(orders, key, offset)));
  const store = await storeWith(letters);
  await store.requestRedrive({});
  const recovery = new RunningRecovery(store, { keys: 2, bytes: 1 << 20 });
  recovery.assign(0);
  for (let sweep = 0; sweep < 4; sweep += 1) {
    await pass(recovery.clock, SWEEP_MS);
    const page = recovery.pages[sweep];
    if (page !== undefined) await recovery.settle(page);
  }
  assert.deepEqual(recovery.keys, ['a b', 'c d', 'e']);
  recovery.stop();
});

test('letters of a partition that is not ours are left to its owner', async () => {
  const store = await storeWith([letterAt({ topic: 'shop', partition: 1 }, changeAt(orders, 'a', 1))]);
  await store.requestRedrive({});
  const recovery = new RunningRecovery(store);
  recovery.assign(0);
  await pass(recovery.clock, 2 * SWEEP_MS);
  assert.deepEqual(recovery.pages, []);
  assert.deepEqual(await states(store), ['a redrive']);
  recovery.stop();
});
