import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { delaysOf } from './delays.ts';

test('a percentile is a delay that was seen, and so many of a hundred are not above it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1 }), (values) => {
      const { count, maxMs, p50Ms, p99Ms } = delaysOf(values);
      assert.equal(count, values.length);
      assert.equal(maxMs, Math.max(...values));
      for (const [share, found] of [
        [0.5, p50Ms],
        [0.99, p99Ms],
      ] as const) {
        assert.ok(values.includes(found));
        assert.ok(values.filter((value) => value <= found).length >= share * values.length - 1e-9);
        assert.ok(values.filter((value) => value < found).length < share * values.length);
      }
    }),
  );
});

test('without a delay there is no figure', () => {
  assert.throws(() => delaysOf([]), /no delay/);
});
