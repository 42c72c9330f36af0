import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LoadShape, makeLoad } from './load.ts';
import { orderRow, tableOfKey, wideRow } from './order-row.ts';

const shapes: fc.Arbitrary<LoadShape> = fc.record({
  name: fc.constant('some'),
  rows: fc.integer({ min: 0, max: 200 }),
  keys: fc.integer({ min: 1, max: 60 }),
  skew: fc.constantFrom(0, 1.1),
  rowsPerMessage: fc.constantFrom(1, 3, 20),
  partitions: fc.integer({ min: 1, max: 4 }),
  seed: fc.integer({ min: 0, max: 1000 }),
  tables: fc.constantFrom(1, 10),
  width: fc.constantFrom(1, 3),
});

interface Message {
  readonly table: string;
  readonly mysqlType: Readonly<Record<string, string>>;
  readonly data: readonly Readonly<Record<string, string>>[];
  readonly old: readonly Readonly<Record<string, string>>[] | null;
}

test('a load ends in the state that its summary tells', () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const { partitions, summary } = makeLoad(shape);
      const last = new Map<number, { number: number; partition: number; offset: number }>();
      let rows = 0;
      let versionSum = 0;
      for (const [partition, values] of partitions.entries()) {
        for (const [offset, value] of values.entries()) {
          const { data, mysqlType, table } = JSON.parse(value.toString()) as Message;
          for (const row of data) {
            assert.deepEqual(row, wideRow(Number(row.id), Number(row.version), shape.width));
            assert.equal(table, tableOfKey(Number(row.id), shape.tables));
            assert.deepEqual(Object.keys(mysqlType), Object.keys(row));
            last.set(Number(row.id), { number: Number(row.version), partition, offset });
            rows += 1;
            versionSum += offset + 1;
          }
        }
      }
      assert.equal(rows, shape.rows);
      assert.equal(versionSum, summary.versionSum);
      assert.deepEqual(new Map([...last].sort()), new Map([...summary.last].sort()));
      assert.deepEqual(
        partitions.map((values) => values.length),
        summary.ends,
      );
    }),
  );
});

test('every update names the values that its row had before', () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const versions = new Map<string, string>();
      const { partitions } = makeLoad({ ...shape, skew: 1.1, partitions: 1 });
      for (const value of partitions[0] ?? []) {
        const { data, old } = JSON.parse(value.toString()) as Message;
        for (const [at, row] of data.entries()) {
          const before = { ...row, ...old?.[at] };
          assert.equal(before.version, versions.get(row.id as string) ?? '0');
          versions.set(row.id as string, row.version as string);
        }
      }
    }),
  );
});

test('equal shapes make equal bytes, and another seed draws other keys', () => {
  const shape = { name: 'some', rows: 500, keys: 100, skew: 1.1, rowsPerMessage: 1, partitions: 2, seed: 7 };
  const bytesOf = (load: ReturnType<typeof makeLoad>): string => Buffer.concat(load.partitions.flat()).toString();
  assert.equal(bytesOf(makeLoad(shape)), bytesOf(makeLoad(shape)));
  assert.notEqual(bytesOf(makeLoad(shape)), bytesOf(makeLoad({ ...shape, seed: 8 })));
});

test('by Zipf’s law a few keys have most of the changes', () => {
  const { summary, partitions } = makeLoad({
    name: 'zipf',
    rows: 5000,
    keys: 20_000,
    skew: 1.1,
    rowsPerMessage: 1,
    partitions: 4,
    seed: 1,
  });
  const counts = new Map<string, number>();
  for (const value of partitions.flat()) {
    const id = (JSON.parse(value.toString()) as Message).data[0]?.id as string;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const hottest = [...counts.values()].sort((left, right) => right - left).slice(0, 10);
  const share = hottest.reduce((sum, count) => sum + count, 0) / 5000;
  // The ten most likely of 20,000 keys have 39 % of the weight at exponent 1.1.
  assert.ok(share > 0.36 && share < 0.42, `${share}`);
  assert.ok(summary.last.size < 2500, `${summary.last.size}`);
});

test('a row is 300 bytes of JSON', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e7 }), fc.integer({ min: 0, max: 1e7 }), (key, version) => {
      assert.equal(Buffer.byteLength(JSON.stringify(orderRow(key, version))), 300);
    }),
  );
});

test('a row of ten times the width has ten times the columns and bytes, and no two copies agree', () => {
  const row = wideRow(17, 4, 10);
  const narrow = orderRow(17, 4);
  assert.equal(Object.keys(row).length, 10 * Object.keys(narrow).length);
  const ratio = Buffer.byteLength(JSON.stringify(row)) / Buffer.byteLength(JSON.stringify(narrow));
  assert.ok(ratio > 10 && ratio < 11, `${ratio}`);
  const notes = Object.keys(row).filter((column) => column.startsWith('note'));
  assert.equal(new Set(notes.map((column) => row[column])).size, 10);
});
