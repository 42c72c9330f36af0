import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/pipeline/change.ts';
import { bucketOf, bufferKey } from '../../src/sinks/buffer-key.ts';
import { anyText } from './any-text.ts';

const tableOf = (database: string, name: string): Table => ({
  database,
  name,
  qualified: `${database}.${name}`,
  index: 'x',
  mapping: null,
});

test('a plain row has the key of the request, and on a cluster one hash tag', () => {
  const orders = tableOf('shop', 'orders');
  assert.equal(bufferKey(orders, '1001', null), 'buffer:shop.orders:1001');
  assert.equal(bufferKey(orders, '1001', 7), 'buffer:{shop.orders.7}:1001');
});

test('distinct rows have distinct keys, whatever their names hold', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', ':', '.', '{', '}', '%', '3', 'A', '7'), maxLength: 6 });
  const row = fc.tuple(word, word, word);
  fc.assert(
    fc.property(row, row, fc.constantFrom(null, 0, 7, 63), (one, other, bucket) => {
      const keyOf = ([database, name, key]: [string, string, string]) =>
        bufferKey(tableOf(database, name), key, bucket);
      assert.equal(keyOf(one) === keyOf(other), JSON.stringify(one) === JSON.stringify(other));
    }),
    { numRuns: 2000 },
  );
});

test('the hash tag of a cluster key is the table and bucket, whatever the row’s own key holds', () => {
  const word = anyText({ minLength: 1 });
  fc.assert(
    fc.property(word, word, word, (database, name, key) => {
      const tagOf = (text: string) => /\{([^}]*)\}/.exec(text)?.[1];
      const table = tableOf(database, name);
      assert.equal(tagOf(bufferKey(table, key, 5)), tagOf(bufferKey(table, '', 5)));
      assert.ok(tagOf(bufferKey(table, key, 5)));
    }),
  );
});

test('a row’s bucket is 0 to 63, always the same, and spreads numbered rows evenly', () => {
  const counts = new Map<number, number>();
  for (let i = 0; i < 64_000; i += 1) {
    const bucket = bucketOf(String(i));
    assert.ok(bucket >= 0 && bucket < 64);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  assert.equal(counts.size, 64);
  for (const count of counts.values()) assert.ok(count > 700 && count < 1300, String(count));
  // Fixed: rows written before an upgrade are found after it.
  assert.deepEqual(['', 'a', '1001', 'é'].map(bucketOf), [5, 44, 23, 4]);
});
