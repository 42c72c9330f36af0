import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeLoad } from '../load.ts';
import { loadRows, summaryOfRows, uniqueRows } from './load-rows.ts';

const counts = fc.integer({ min: 1, max: 120 });

test('rows come in the order of their changes, each at its place in the log', () => {
  fc.assert(
    fc.property(counts, fc.integer({ min: 1, max: 4 }), (count, partitions) => {
      const ends = Array.from({ length: partitions }, () => 0);
      for (const [at, { key, offset, partition, value }] of loadRows(
        makeLoad(uniqueRows('some', count, partitions)),
      ).entries()) {
        const { data } = JSON.parse(value.toString()) as { data: readonly { id: string; version: string }[] };
        assert.deepEqual([data[0]?.id, data[0]?.version], [String(key), String(at + 1)]);
        assert.equal(offset, ends[partition]);
        ends[partition] = offset + 1;
      }
    }),
  );
});

test('a load in two parts adds up to the whole', () => {
  fc.assert(
    fc.property(counts, fc.double({ min: 0, max: 1, noNaN: true }), (count, share) => {
      const { summary } = makeLoad(uniqueRows('some', count, 3));
      const middle = Math.floor(count * share);
      const first = summaryOfRows(summary, 0, middle);
      const second = summaryOfRows(summary, middle, count);
      assert.deepEqual([first.shape.rows, second.shape.rows], [middle, count - middle]);
      assert.equal(first.versionSum + second.versionSum, summary.versionSum);
      assert.deepEqual(new Map([...first.last, ...second.last]), new Map(summary.last));
      assert.deepEqual(second.ends, summary.ends);
      assert.equal(
        first.ends.reduce((sum, end) => sum + end, 0),
        middle,
      );
    }),
  );
});

test('a load that repeats keys has no single rows', () => {
  const load = makeLoad({ ...uniqueRows('some', 100, 2), keys: 10 });
  assert.throws(() => loadRows(load), /repeats keys/);
});
