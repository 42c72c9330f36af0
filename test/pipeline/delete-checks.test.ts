import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lastValueFrom, of } from 'rxjs';
import type { Table } from '../../src/pipeline/change.ts';
import { checkDeletes, type DeleteCheck } from '../../src/pipeline/delete-checks.ts';
import type { IndexWrite, KeyVersion, Outcome } from '../../src/pipeline/ports.ts';
import { orders } from './running-recovery.ts';
import { SteadyClock } from './steady-clock.ts';

const items: Table = { ...orders, name: 'items', qualified: 'shop.items', index: 'shop_items' };
const PLACE = { topic: 'shop', partition: 0 };
const DONE: Outcome = { kind: 'done', conflict: false };

/** Checks `deletes`, given out in pages of `limit`, against the documents an index holds. */
function checked(deletes: readonly KeyVersion[], documents: Map<string, number>, limit: number) {
  const writes: IndexWrite[] = [];
  const ranges: { from: number; to: number }[] = [];
  const name = (table: Table, key: string): string => `${table.index} ${key}`;
  const found: DeleteCheck[] = [];
  checkDeletes(
    {
      store: {
        deletesBetween: (_, { cursor, from, limit: size, to }) => {
          ranges.push({ from, to });
          const begin = Number(cursor ?? 0);
          const end = begin + size;
          return of({ deletes: deletes.slice(begin, end), cursor: end < deletes.length ? String(end) : null });
        },
      },
      index: {
        versions: (table, keys) => of(keys.map((key) => documents.get(name(table, key)) ?? null)),
        write: (some) => {
          writes.push(...some);
          return of(some.map(() => DONE));
        },
      },
      page: limit,
      scheduler: new SteadyClock(),
    },
    PLACE,
    { from: 3, to: 90 },
  ).subscribe((one) => found.push(one));
  return { found, ranges, writes };
}

test('exactly the documents below the version of their delete are deleted again, in any number of pages and tables', () => {
  const place = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    table: fc.constantFrom(orders, items),
    version: fc.integer({ min: 1, max: 9 }),
    found: fc.option(fc.integer({ min: 1, max: 9 })),
  });
  const unique = fc.uniqueArray(place, { selector: ({ key, table }) => `${table.name} ${key}`, maxLength: 12 });
  fc.assert(
    fc.property(unique, fc.integer({ min: 1, max: 4 }), (deletes, limit) => {
      const documents = new Map<string, number>();
      for (const { found, key, table } of deletes) if (found !== null) documents.set(`${table.index} ${key}`, found);
      const { found, writes } = checked(deletes, documents, limit);
      const back = deletes.filter((one) => one.found !== null && one.found < one.version);
      const expected = back.map(({ key, table, version }) => ({ table, key, version, document: null }));
      const byName = (a: IndexWrite, b: IndexWrite): number => (a.table.index + a.key < b.table.index + b.key ? -1 : 1);
      assert.deepEqual([...writes].sort(byName), expected.sort(byName));
      assert.deepEqual(found, [{ checked: deletes.length, repeated: back.length }]);
    }),
  );
});

test('an empty range is checked without asking anybody', () => {
  const clock = new SteadyClock();
  const nobody = (): never => assert.fail('somebody was asked');
  const found: DeleteCheck[] = [];
  const options = {
    store: { deletesBetween: nobody },
    index: { versions: nobody, write: nobody },
    page: 1,
    scheduler: clock,
  };
  checkDeletes(options, PLACE, { from: 7, to: 7 }).subscribe((one) => found.push(one));
  assert.deepEqual(found, [{ checked: 0, repeated: 0 }]);
});

test('the store is asked for the range that was given, on every page', () => {
  const deletes = ['a', 'b', 'c'].map((key, i): KeyVersion => ({ table: orders, key, version: i + 4 }));
  const { ranges } = checked(deletes, new Map(), 1);
  assert.deepEqual(ranges, [
    { from: 3, to: 90 },
    { from: 3, to: 90 },
    { from: 3, to: 90 },
  ]);
});

test('twenty thousand pages are checked in a row, not inside each other', async () => {
  const total = 20_000;
  let pages = 0;
  const deletesBetween = async () => {
    pages += 1;
    return { deletes: [{ table: orders, key: 'a', version: 4 }], cursor: pages < total ? String(pages) : null };
  };
  const index = { versions: () => of([null]), write: () => assert.fail('nothing had come back') };
  const options = { store: { deletesBetween }, index, page: 1, scheduler: new SteadyClock() };
  assert.deepEqual(await lastValueFrom(checkDeletes(options, PLACE, { from: 0, to: 9 })), {
    checked: total,
    repeated: 0,
  });
});

test('a store or an index that does not answer is asked again until it does, and only then the check is over', async () => {
  const clock = new SteadyClock();
  let failures = 6;
  const flaky = <T>(answer: T): T => {
    if (failures-- > 0) throw new Error('no answer');
    return answer;
  };
  const found: DeleteCheck[] = [];
  const deletes = [{ table: orders, key: 'a', version: 4 }];
  checkDeletes(
    {
      store: { deletesBetween: async () => flaky({ deletes, cursor: null }) },
      index: {
        versions: async () => {
          if (failures < 0) failures = 2;
          return flaky([1]);
        },
        write: async () => [
          failures-- > 0 ? { kind: 'retry', errorType: 'x', isOverload: true, retryAfterMs: null } : DONE,
        ],
      },
      page: 10,
      scheduler: clock,
    },
    PLACE,
    { from: 0, to: 9 },
  ).subscribe((one) => found.push(one));
  await clock.pass(100);
  assert.deepEqual(found, []);
  await clock.pass(120_000, 1000);
  assert.deepEqual(found, [{ checked: 1, repeated: 1 }]);
});
