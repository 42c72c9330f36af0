import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OwedKeys } from '../../src/pipeline/owed-keys.ts';
import { orders } from './running-recovery.ts';

const PLACE = { topic: 'shop', partition: 0 };
const MAX_KEYS = 3;

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const version = fc.integer({ min: 1, max: 9 });
const step = fc.oneof(
  fc.record({ type: fc.constant('store' as const), key, version }),
  fc.record({ type: fc.constant('settle' as const), key, version }),
  fc.record({ type: fc.constant('assign' as const) }),
  fc.record({ type: fc.constant('count' as const) }),
  fc.record({ type: fc.constant('answer' as const) }),
);

test('a key that the store holds is always told of, whatever is stored, settled, assigned and counted between', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const owed = new OwedKeys(MAX_KEYS);
      const stored = new Map<string, number>();
      let count: { mark: number; owing: number } | null = null;
      for (const one of steps) {
        switch (one.type) {
          case 'store':
            owed.add(PLACE, { table: orders, key: one.key, version: one.version });
            stored.set(one.key, Math.max(one.version, stored.get(one.key) ?? 0));
            break;
          case 'settle':
            if (!owed.mayOwe(PLACE, orders, one.key)) break;
            if ((stored.get(one.key) ?? 0) <= one.version) stored.delete(one.key);
            owed.told(PLACE, [{ table: orders, key: one.key, version: one.version }]);
            break;
          case 'assign':
            owed.forget(PLACE);
            count = null;
            break;
          case 'count':
            count = { mark: owed.mark(PLACE), owing: stored.size };
            break;
          case 'answer':
            if (count?.owing === 0) owed.none(PLACE, count.mark);
            count = null;
        }
        for (const held of stored.keys()) assert.ok(owed.mayOwe(PLACE, orders, held), `${held} after ${one.type}`);
      }
    }),
  );
});

test('a store that was counted empty is told of nothing but what was added since', () => {
  const owed = new OwedKeys();
  owed.none(PLACE, owed.mark(PLACE));
  assert.equal(owed.isUnknown(PLACE), false);
  owed.add(PLACE, { table: orders, key: 'a', version: 3 });
  assert.ok(owed.mayOwe(PLACE, orders, 'a'));
  assert.equal(owed.mayOwe(PLACE, orders, 'b'), false);
  assert.equal(owed.mayOwe(PLACE, { ...orders, index: 'other' }, 'a'), false);
  owed.told(PLACE, [{ table: orders, key: 'a', version: 2 }]);
  assert.ok(owed.mayOwe(PLACE, orders, 'a'), 'an older version settles nothing');
  owed.told(PLACE, [{ table: orders, key: 'a', version: 3 }]);
  assert.equal(owed.mayOwe(PLACE, orders, 'a'), false);
});

test('above the bound nothing is remembered and every key is told of', () => {
  const owed = new OwedKeys(MAX_KEYS);
  owed.none(PLACE, owed.mark(PLACE));
  for (const name of ['a', 'b', 'c', 'd']) owed.add(PLACE, { table: orders, key: name, version: 1 });
  assert.ok(owed.isUnknown(PLACE));
  assert.ok(owed.mayOwe(PLACE, orders, 'never seen'));
});

test('partitions are told apart', () => {
  const owed = new OwedKeys();
  const other = { topic: 'shop', partition: 1 };
  owed.none(PLACE, owed.mark(PLACE));
  assert.ok(owed.isUnknown(other));
  owed.add(other, { table: orders, key: 'a', version: 1 });
  assert.equal(owed.mayOwe(PLACE, orders, 'a'), false);
});
