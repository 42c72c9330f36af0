import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changeOf, changesOf, wordsOf } from '../../marbles/change-words.ts';
import { newestPerKey } from '../../src/operators/newest-per-key.ts';

/** Rows of two tables, and how many changes later the next record begins: 0 for a row of the same record. */
const rows = fc.array(
  fc.record({ row: fc.constantFrom('a', 'b', 'logs.a', 'logs.c', '-a', '-logs.c'), isNewRecord: fc.boolean() }),
  { maxLength: 30, size: 'max' },
);

test('of the changes of a batch the last one of each row is left, whole and as it was', () => {
  fc.assert(
    fc.property(rows, (list) => {
      let [version, ordinal] = [1, -1];
      const changes = list.map(({ isNewRecord, row }) => {
        [version, ordinal] = isNewRecord ? [version + 1, 0] : [version, ordinal + 1];
        return { ...changeOf(`${row}${version}`), ordinal };
      });
      const last = new Map(changes.map((change) => [`${change.table.name}.${change.key}`, change]));
      const newest = newestPerKey(changes);
      assert.equal(newest.length, last.size);
      assert.deepEqual(new Set(newest), new Set(last.values()));
    }),
  );
});

test('the newest of each row is left whatever the order of the versions', () => {
  const shuffled = fc.shuffledSubarray(changesOf('a1 b2 a3 logs.a4 -b5 a6 logs.a7'));
  fc.assert(
    fc.property(shuffled, (changes) => {
      for (const { key, table, version } of newestPerKey(changes)) {
        const same = changes.filter((one) => one.key === key && one.table === table);
        assert.equal(version, Math.max(...same.map((one) => one.version)));
      }
    }),
  );
});

test('tables stand together, and rows in the order in which they first appear', () => {
  assert.equal(wordsOf(newestPerKey(changesOf('b1 logs.c2 a3 b4 logs.a5 -a6'))), 'b4 -a6 logs.c2 logs.a5');
});

test('a batch of none or one is given back as it is', () => {
  const one = changesOf('a1');
  assert.equal(newestPerKey(one), one);
  assert.deepEqual(newestPerKey([]), []);
});
