import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LogRecord } from '../../src/pipeline/change.ts';
import { matchesGlob } from '../../src/pipeline/glob.ts';
import { anchorOf, recordSlices } from '../../src/sources/record-slices.ts';
import { topicEpochs } from '../../src/sources/topic-epochs.ts';

/** Records in offset order with gaps between them, and a boundary of epochs somewhere. */
const logs = fc
  .array(fc.record({ gap: fc.integer({ min: 1, max: 4 }), bytes: fc.integer({ min: 0, max: 50 }) }), { maxLength: 60 })
  .map((steps) => {
    let offset = 9;
    return steps.map(({ gap, bytes }): LogRecord => {
      offset += gap;
      return { offset, timestampMs: 0, key: null, value: bytes === 0 ? null : Buffer.alloc(bytes) };
    });
  });

test('slices hold every record once, in order, and reach from the first to the next offset without a gap', () => {
  fc.assert(
    fc.property(
      logs,
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 80 }),
      (records, maxRecords, maxBytes) => {
        const range = { firstOffset: 10, nextOffset: (records.at(-1)?.offset ?? 9) + 3 };
        const slices = [...recordSlices(records, range, { maxRecords, maxBytes, epochAt: () => 0 })];
        assert.deepEqual(
          slices.flatMap((slice) => slice.records),
          records,
        );
        assert.deepEqual(
          slices.map((slice) => slice.firstOffset),
          [range.firstOffset, ...slices.slice(0, -1).map((slice) => slice.nextOffset)],
        );
        assert.equal(slices.at(-1)?.nextOffset, range.nextOffset);
        for (const { records: some } of slices) {
          assert.ok(some.length <= maxRecords);
          const bytes = some.reduce((sum, record) => sum + (record.value?.length ?? 0), 0);
          assert.ok(bytes <= maxBytes || some.length === 1);
        }
      },
    ),
  );
});

test('no slice crosses the boundary of an epoch', () => {
  fc.assert(
    fc.property(logs, fc.integer({ min: 10, max: 150 }), (records, fromOffset) => {
      const epochAt = (offset: number): number => (offset < fromOffset ? 2 : 3);
      for (const slice of recordSlices(records, { firstOffset: 10, nextOffset: 500 }, { epochAt }))
        for (const record of slice.records) assert.equal(epochAt(record.offset), slice.epoch);
    }),
  );
});

test('nothing to read is one empty slice that moves the position', () => {
  const slices = [...recordSlices([], { firstOffset: 4, nextOffset: 9 }, { epochAt: () => 1 })];
  assert.deepEqual(slices, [{ firstOffset: 4, nextOffset: 9, epoch: 1, records: [] }]);
  assert.equal(anchorOf([]), null);
});

test('an anchor tells two values, and no value, apart', () => {
  const anchors = [Buffer.from('a'), Buffer.from('b'), null].map((value) =>
    anchorOf([{ offset: 5, timestampMs: 6, key: null, value }]),
  );
  assert.equal(new Set(anchors.map((anchor) => anchor?.hash)).size, 3);
  assert.deepEqual([anchors[0]?.offset, anchors[0]?.timestampMs], [5, 6]);
});

test('records below a boundary keep the epoch before it', () => {
  const epochAt = topicEpochs(
    {
      topic: 'shop',
      partitions: 2,
      epoch: 2,
      boundaries: [
        { partition: 0, epoch: 1, fromOffset: 100 },
        { partition: 0, epoch: 2, fromOffset: 200 },
        { partition: 1, epoch: 1, fromOffset: 0 },
      ],
    },
    0,
  );
  assert.deepEqual([0, 99, 100, 199, 200, 1e9].map(epochAt), [0, 0, 1, 1, 2, 2]);
});

test('a log that was made again belongs to the later of two epochs that begin at the same offset', () => {
  const boundaries = [1, 2].map((epoch) => ({ partition: 0, epoch, fromOffset: 0 }));
  assert.equal(topicEpochs({ topic: 'shop', partitions: 1, epoch: 2, boundaries }, 0)(0), 2);
});

test('a partition without boundaries is in the epoch of its topic', () => {
  assert.equal(topicEpochs({ topic: 'shop', partitions: 1, epoch: 4, boundaries: [] }, 0)(12), 4);
});

test('a topic pattern matches whole names, and only * and ? are special', () => {
  const cases: [pattern: string, topic: string, matches: boolean][] = [
    ['shop.*', 'shop.orders', true],
    ['shop.*', 'shopXorders', false],
    ['shop.*', 'my.shop.orders', false],
    ['shop-?', 'shop-1', true],
    ['shop-?', 'shop-12', false],
    ['*', 'anything', true],
    ['a+b', 'aab', false],
    ['a(b|c)[d]', 'a(b|c)[d]', true],
  ];
  for (const [pattern, topic, matches] of cases)
    assert.equal(matchesGlob(pattern, topic), matches, `${pattern} on ${topic}`);
});
