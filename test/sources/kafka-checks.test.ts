import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredPosition } from '../../src/pipeline/ports.ts';
import { type PartitionRange, refuseOtherCount, startPlace } from '../../src/sources/kafka-checks.ts';

const anchor = { offset: 49, timestampMs: 1, hash: 'h' };

test('a position inside the log is where reading starts', () => {
  for (const committed of [10, 50, 100]) assert.equal(startPlace(range({ committed }), null).from, committed);
});

test('a group without a position starts at the first record', () => {
  assert.deepEqual(startPlace(range({ committed: null }), null), { from: 10, anchor: null });
  assert.equal(startPlace(range({ committed: null }), stored({ settled: 50 })).from, 10);
});

test('a committed offset outside the log is refused with E2003', () => {
  for (const committed of [0, 9, 101]) {
    assert.throws(() => startPlace(range({ committed }), null), {
      code: 'E2003',
      detail: `position ${committed}, the log holds 10 to 100`,
    });
  }
});

test('a group that lost its position is refused with E2003 when unsettled records are gone', () => {
  assert.throws(() => startPlace(range({ committed: null }), stored({ settled: 9 })), { code: 'E2003' });
  assert.equal(startPlace(range({ committed: null }), stored({ settled: 10 })).from, 10);
});

test('a log that ends before what was settled is another log: E2002', () => {
  for (const committed of [null, 20])
    assert.throws(() => startPlace(range({ committed }), stored({ settled: 101 })), { code: 'E2002' });
});

test('the anchor is looked at while the log still holds it', () => {
  assert.deepEqual(startPlace(range({ committed: 50 }), stored({ anchor })).anchor, anchor);
  assert.equal(startPlace(range({ committed: 60, low: 50 }), stored({ anchor })).anchor, null);
  assert.equal(startPlace(range({ committed: 60 }), stored({ anchor: null })).anchor, null);
});

test('another number of partitions is refused with E2002, and the remedy names the way out', () => {
  const registration = { topic: 'shop', partitions: 2, epoch: 0, boundaries: [] };
  refuseOtherCount(registration, 2);
  for (const found of [1, 3]) {
    assert.throws(
      () => refuseOtherCount(registration, found),
      (error: { code: string; remedy: string }) => {
        return error.code === 'E2002' && error.remedy.includes('sluice epoch bump');
      },
    );
  }
});

function range(given: Partial<PartitionRange>): PartitionRange {
  return { topic: 'shop', partition: 0, low: 10, high: 100, committed: null, ...given };
}

function stored(given: Partial<StoredPosition>): StoredPosition {
  const unchecked = { deletesChecked: 0, candidate: 0, candidateSinceMs: 0 };
  return { topic: 'shop', partition: 0, settled: 50, anchor: null, ...unchecked, ...given };
}
