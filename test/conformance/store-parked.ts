import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Table, versionOf } from '../../src/pipeline/change.ts';
import type { ParkedKey } from '../../src/pipeline/ports.ts';
import type { OpenPlace } from './store.ts';
import { allParked, answerOf, changeAt, forgetTable, newPartition, newTable, parkedAt } from './store-samples.ts';

/** Keys that some collation takes for each other. */
const ALIKE = [
  'a',
  'A',
  'á',
  'a ',
  'ａ',
  'a\u0301',
  'ß',
  'ss',
  'SS',
  'ſ',
  'İ',
  'i',
  'ı',
  '😀',
  '😁',
  '\u0000',
  ' ',
  '  ',
  '1',
  '01',
];

interface ModelEntry {
  readonly offset: number;
  readonly firstOffset: number;
}

export function parkedConformance(opened: () => OpenPlace): void {
  test('any interleaving of park and unpark, with repeats, keeps the highest version of each key', async () => {
    const { store } = opened();
    const command = fc.record({
      kind: fc.constantFrom('park', 'park', 'unpark'),
      keys: fc.array(fc.record({ key: fc.constantFrom('a', 'A', 'b ', 'b'), offset: fc.nat(30), back: fc.nat(5) }), {
        maxLength: 5,
      }),
      times: fc.constantFrom(1, 1, 2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 12 }), async (commands) => {
        const partition = newPartition();
        const table = newTable();
        const model = new Map<string, ModelEntry>();
        for (const { kind, keys, times } of commands) {
          for (let time = 0; time < times; time++) {
            if (kind === 'unpark')
              await answerOf(
                store.unpark(keys.map(({ key, offset }) => ({ table, key, version: versionOf(0, offset) }))),
              );
            else
              await answerOf(
                store.park(
                  keys.map(({ key, offset, back }) =>
                    parkedAt(partition, changeAt(table, key, offset), Math.max(0, offset - back)),
                  ),
                ),
              );
          }
          for (const { key, offset, back } of keys)
            applyTo(model, kind, { key, offset, firstOffset: Math.max(0, offset - back) });
        }
        const found = await allParked(store, partition, { limit: 2 });
        assert.deepEqual(
          found.map(({ change, firstOffset }) => [change.key, change.offset, change.document, firstOffset]).sort(),
          [...model]
            .map(([key, { offset, firstOffset }]) => [key, offset, changeAt(table, key, offset).document, firstOffset])
            .sort(),
        );
        assert.equal(await store.parkedCount(partition), model.size);
      }),
      { numRuns: 30 },
    );
  });

  test('B5: a newer park brings its body and its version together, an older one brings neither', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const at = (offset: number) =>
      parkedAt(partition, changeAt(table, 'k', offset, { op: offset === 12 ? 'delete' : 'upsert' }));
    for (const offset of [11, 12, 10]) {
      await answerOf(store.park([at(offset)]));
      const [parked] = await allParked(store, partition);
      const newest = Math.max(11, Math.min(offset === 11 ? 11 : 12, 12));
      assert.deepEqual(parked?.change, at(newest).change, `after offset ${offset}`);
    }
  });

  test('a parked key comes back as the change it was', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const parked = parkedAt(
      partition,
      changeAt(table, 'ключ 😀', 70, { epoch: 510, ordinal: 4, text: '{"n":1.50,"s":"𝄞"}' }),
      12,
    );
    await answerOf(store.park([parked]));
    const [found] = await allParked(store, partition);
    assert.deepEqual(found, parked);
    assert.equal(found?.change.table, table);
  });

  test('keys that a collation would fold stay distinct', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    await answerOf(store.park(ALIKE.map((key, offset) => parkedAt(partition, changeAt(table, key, offset)))));
    const found = await allParked(store, partition);
    assert.deepEqual(found.map(({ change }) => change.key).sort(), [...ALIKE].sort());
    assert.equal(await answerOf(store.unpark([{ table, key: 'a', version: versionOf(0, 1000) }])), 1);
    assert.equal(await store.parkedCount(partition), ALIKE.length - 1);
  });

  test('every key can be un-parked, whatever its characters, and the highest of several versions counts', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const keys = [...ALIKE, 'half \ud83d', '\udc00', '', 'it\'s \\ "quoted" %', '?'];
    await answerOf(store.park(keys.map((key) => parkedAt(partition, changeAt(table, key, 7)))));
    const settled = (offset: number) => keys.map((key) => ({ table, key, version: versionOf(0, offset) }));
    assert.equal(await answerOf(store.unpark(settled(6))), 0);
    assert.equal(await answerOf(store.unpark([...settled(8), ...settled(6)])), keys.length);
    assert.equal(await store.parkedCount(partition), 0);
  });

  test('keys of several tables are un-parked by one call, each at its own version', async () => {
    const { store } = opened();
    const partition = newPartition();
    const [one, other] = [newTable(), newTable()] as [Table, Table];
    await answerOf(
      store.park([one, other].map((table, offset) => parkedAt(partition, changeAt(table, 'k', 1 + offset)))),
    );
    const version = versionOf(0, 1);
    assert.equal(await answerOf(store.unpark([one, other].map((table) => ({ table, key: 'k', version })))), 1);
    assert.deepEqual(
      (await allParked(store, partition)).map(({ change }) => change.table),
      [other],
    );
  });

  test('the longest key fits, in a table and topic of the longest names', async () => {
    const { store } = opened();
    const partition = { topic: 't'.repeat(249), partition: 0 };
    const table = newTable();
    await answerOf(
      store.park([
        parkedAt(partition, changeAt(table, 'k'.repeat(512), 1)),
        parkedAt(partition, changeAt(table, '😀'.repeat(128), 2)),
      ]),
    );
    assert.deepEqual((await allParked(store, partition)).map(({ change }) => change.offset).sort(), [1, 2]);
  });

  test('unpark tells how many keys it removed and leaves newer ones', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const other = newTable();
    const keys = Array.from({ length: 300 }, (_, index) => `k${index}`);
    await answerOf(store.park(keys.map((key, offset) => parkedAt(partition, changeAt(table, key, offset)))));
    const removed = await answerOf(store.unpark(keys.map((key) => ({ table, key, version: versionOf(0, 199) }))));
    assert.equal(removed, 200);
    assert.equal(
      await answerOf(store.unpark(keys.map((key) => ({ table: other, key, version: versionOf(0, 999) })))),
      0,
    );
    assert.equal(await store.parkedCount(partition), 100);
  });

  test('pages are bounded in rows and bytes, give every key once, and always get on', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const text = JSON.stringify({ text: 'x'.repeat(10_000) });
    const keys = Array.from({ length: 25 }, (_, index) =>
      parkedAt(partition, changeAt(table, `k${10 + index}`, index, { text })),
    );
    await answerOf(store.park(keys));
    await answerOf(store.park([parkedAt(newPartition(), changeAt(table, 'elsewhere', 1))]));
    for (const page of [{ limit: 4 }, { limit: 25 }, { maxBytes: 35_000 }, { maxBytes: 1 }, {}]) {
      const found = await allParked(store, partition, page);
      assert.deepEqual(
        found.map(({ change }) => change.offset),
        keys.map(({ change }) => change.offset),
        JSON.stringify(page),
      );
    }
    const page = { cursor: null, limit: 25, maxBytes: 35_000, nowMs: 0, onlyDue: false };
    assert.equal((await answerOf(store.parked(partition, page))).keys.length, 3);
  });

  test('a key that was tried is due again after 1 s, 2 s, 4 s and so on, up to 10 min', async () => {
    const { store } = opened();
    const partition = newPartition();
    await answerOf(store.park([parkedAt(partition, changeAt(newTable(), 'k', 1))]));
    const isDue = async (nowMs: number) => (await allParked(store, partition, { nowMs, onlyDue: true })).length === 1;
    let nowMs = 1_900_000_000_000;
    assert.ok(await isDue(nowMs), 'at once');
    for (const waitMs of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600].map((seconds) => seconds * 1000)) {
      assert.equal(await isDue(nowMs + waitMs - 1), false, `before ${waitMs} ms`);
      nowMs += waitMs;
      assert.equal(await isDue(nowMs), true, `after ${waitMs} ms`);
    }
  });

  test('a key that a clock ahead of this one has tried waits for that clock, or not at all when no back-off is so long', async () => {
    const { store } = opened();
    const nowMs = 1_900_000_000_000;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.integer({ min: 1, max: 1_200_000 }), fc.constantFrom(598_999, 599_000, 599_001, 10 ** 11)),
        async (aheadMs) => {
          const partition = newPartition();
          await answerOf(store.park([parkedAt(partition, changeAt(newTable(), 'k', 1))]));
          const found = async (atMs: number) =>
            (await allParked(store, partition, { nowMs: atMs, onlyDue: true })).length;
          assert.equal(await found(nowMs + aheadMs), 1);
          const waits = aheadMs + 1000 <= 600_000;
          assert.equal(await found(nowMs), waits ? 0 : 1);
          assert.equal(await found(nowMs + (waits ? aheadMs : 0) + 999), 0, 'before its back-off has passed');
          assert.equal(await found(nowMs + (waits ? aheadMs : 1000) + 1000), 1, 'after it');
        },
      ),
      { numRuns: 40 },
    );
  });

  test('keys of a table that is not configured are passed over and kept', async () => {
    const { store } = opened();
    const partition = newPartition();
    const [gone, kept] = [newTable(), newTable()] as [Table, Table];
    await answerOf(
      store.park([parkedAt(partition, changeAt(gone, 'g', 1)), parkedAt(partition, changeAt(kept, 'k', 2))]),
    );
    forgetTable(gone);
    assert.deepEqual(
      (await allParked(store, partition, { limit: 1 })).map(({ change }) => change.key),
      ['k'],
    );
    assert.equal(await store.parkedCount(partition), 2);
  });

  test('instances that park the same keys at once agree on the highest version', async () => {
    const { place } = opened();
    const partition = newPartition();
    const table = newTable();
    const stores = await Promise.all([place.open(), place.open()]);
    const rounds: Promise<unknown>[] = [];
    for (let offset = 0; offset < 10; offset++) {
      const keys: ParkedKey[] = Array.from({ length: 60 }, (_, index) =>
        parkedAt(partition, changeAt(table, `k${(index * 7 + offset) % 60}`, offset)),
      );
      for (const store of stores) rounds.push(answerOf(store.park(keys)));
    }
    await Promise.all(rounds);
    const [store] = stores;
    assert.ok(store);
    const found = await allParked(store, partition);
    assert.deepEqual([...new Set(found.map(({ change }) => change.offset))], [9]);
    assert.equal(found.length, 60);
    for (const one of stores) await one.close();
  });
}

function applyTo(
  model: Map<string, ModelEntry>,
  kind: string,
  { key, offset, firstOffset }: ModelEntry & { key: string },
): void {
  const held = model.get(key);
  if (kind === 'unpark') {
    if (held && held.offset <= offset) model.delete(key);
  } else {
    model.set(key, {
      offset: Math.max(held?.offset ?? 0, offset),
      firstOffset: Math.min(held?.firstOffset ?? firstOffset, firstOffset),
    });
  }
}
