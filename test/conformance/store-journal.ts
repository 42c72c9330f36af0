import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Change, checksumOf, type Table, versionOf } from '../../src/pipeline/change.ts';
import { textOf } from '../../src/pipeline/json-document.ts';
import type { Partition } from '../../src/pipeline/ports.ts';
import type { OpenPlace } from './store.ts';
import {
  allDeletes,
  answerOf,
  changeAt,
  letterAt,
  lookup,
  newPartition,
  newTable,
  parkedAt,
  type StorePlace,
} from './store-samples.ts';

const PLACE = 'topic, partition_no, record_offset, version, ordinal';

async function journalOf(place: StorePlace, { topic }: Partition) {
  const rows = await place.queryJournal(
    `SELECT table_name, primary_key, operation, data, checksum, is_synced, synced_time, ${PLACE} FROM buffer_backup WHERE topic = '${topic}'`,
  );
  return rows.toSorted((a, b) => Number(a.version) - Number(b.version) || Number(a.ordinal) - Number(b.ordinal));
}

function positionAt(partition: Partition, settled: number, deletesChecked = 0) {
  return { ...partition, settled, anchor: null, deletesChecked, candidate: 0, candidateSinceMs: 0 };
}

/** Deletes of which nothing newer is in the range, in log order: what `deletesBetween` promises, spelled out. */
function newestDeletes(changes: readonly Change[], { from, to }: { from: number; to: number }): string[] {
  const newest = new Map<string, Change>();
  for (const change of changes)
    if (change.offset >= from && change.offset < to) newest.set(`${change.table.qualified} ${change.key}`, change);
  return [...newest]
    .filter(([, change]) => change.op === 'delete')
    .map(([key, change]) => `${key}@${change.version}`)
    .sort();
}

export function journalConformance(opened: () => OpenPlace): void {
  test('append keeps every change in order, and the same again changes nothing', async () => {
    const { place, store } = opened();
    const partition = newPartition();
    const tables = [newTable(), newTable(), newTable()];
    const changes = Array.from({ length: 1300 }, (_, index) =>
      changeAt(tables[index % 3] as Table, `key ${index % 40}`, index >> 1, { ordinal: index % 2 }),
    );
    await answerOf(store.append(partition, changes));
    await answerOf(store.append(partition, changes.slice(200, 900)));
    const rows = await journalOf(place, partition);
    assert.deepEqual(
      rows.map((row) => [String(row.table_name), String(row.primary_key), String(row.data), String(row.checksum)]),
      changes.map(({ table, key, document }) => [table.qualified, key, textOf(document), checksumOf(document)]),
    );
    assert.deepEqual(
      rows.map((row) => [
        Number(row.partition_no),
        Number(row.record_offset),
        Number(row.version),
        Number(row.ordinal),
      ]),
      changes.map(({ offset, version, ordinal }) => [3, offset, version, ordinal]),
    );
    assert.equal(String(rows[0]?.operation), 'UPDATE');
  });

  test('append of no changes resolves', async () => {
    const { place, store } = opened();
    const partition = newPartition();
    await answerOf(store.append(partition, []));
    assert.deepEqual(await journalOf(place, partition), []);
  });

  test('texts of every kind come back as they were', async () => {
    const { place, store } = opened();
    const partition = newPartition();
    const table = newTable();
    const texts = ['😀 𝄞 ﷽', `"\\u0000'%_\\`, 'x'.repeat(300_000), '{"n":12345678901234567890.10}', '\u{10ffff}\u200b'];
    await answerOf(
      store.append(
        partition,
        texts.map((text, offset) => changeAt(table, `${offset}😀`, offset, { text })),
      ),
    );
    const rows = await journalOf(place, partition);
    assert.deepEqual(
      rows.map((row) => String(row.data)),
      texts,
    );
    assert.deepEqual(
      rows.map((row) => String(row.primary_key)),
      texts.map((_, offset) => `${offset}😀`),
    );
  });

  test('versions up to the largest are exact', async () => {
    const { place, store } = opened();
    const partition = newPartition();
    const table = newTable();
    const changes = [0, 1, 2].map((back) => changeAt(table, 'k', 2 ** 44 - 4 + back, { epoch: 511, op: 'delete' }));
    await answerOf(store.append(partition, changes));
    const rows = await journalOf(place, partition);
    assert.deepEqual(
      rows.map((row) => Number(row.version)),
      [2 ** 53 - 3, 2 ** 53 - 2, 2 ** 53 - 1],
    );
    const deletes = await answerOf(
      store.deletesBetween(partition, { from: 0, to: Number.MAX_SAFE_INTEGER, cursor: null, limit: 10 }),
    );
    assert.deepEqual(
      deletes.deletes.map(({ version }) => version),
      [2 ** 53 - 1],
    );
  });

  test('a journal row is synced once the position passed it and nothing stands for it', async () => {
    const { place, store } = opened();
    const partition = newPartition();
    const table = newTable();
    const changes = ['a', 'b', 'a', 'c', 'd'].map((key, offset) => changeAt(table, key, offset));
    await answerOf(store.append(partition, changes));
    assert.deepEqual(
      (await journalOf(place, partition)).map((row) => Number(row.is_synced)),
      [0, 0, 0, 0, 0],
    );
    await answerOf(store.park([parkedAt(partition, changes[2] as Change, 2)]));
    await answerOf(store.writeLetters([letterAt(partition, changes[3] as Change)]));
    await answerOf(store.savePositions([positionAt(partition, 4)]));
    const rows = await journalOf(place, partition);
    assert.deepEqual(
      rows.map((row) => Number(row.is_synced)),
      [1, 1, 0, 0, 0],
    );
    assert.deepEqual(
      rows.map((row) => row.synced_time !== null),
      [true, true, false, false, false],
    );
    await answerOf(store.unpark([{ table, key: 'a', version: versionOf(0, 2) }]));
    await answerOf(store.closeLetters([{ topic: partition.topic, table, key: 'c', version: versionOf(0, 3) }]));
    assert.deepEqual(
      (await journalOf(place, partition)).map((row) => Number(row.is_synced)),
      [1, 1, 1, 1, 0],
    );
  });

  test('deletesBetween gives the newest row of each key where it is a delete, on any page size', async () => {
    const { store } = opened();
    const step = fc.record({
      key: fc.constantFrom('a', 'A', 'b', 'c'),
      table: fc.nat(1),
      isDelete: fc.boolean(),
      twin: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.nat(20),
        fc.nat(45),
        fc.integer({ min: 1, max: 5 }),
        async (steps, from, to, limit) => {
          const partition = newPartition();
          const tables = [newTable(), newTable()];
          let offset = 0;
          const changes = steps.map(({ key, table, isDelete, twin }, index) => {
            const ordinal = twin && index > 0 ? index : 0;
            if (ordinal === 0) offset += 1;
            return changeAt(tables[table] as Table, key, offset, { ordinal, op: isDelete ? 'delete' : 'upsert' });
          });
          await answerOf(store.append(partition, changes));
          const found = await allDeletes(store, partition, { from, to }, limit);
          assert.deepEqual(found.toSorted(), newestDeletes(changes, { from, to }));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('gaps cover exactly what was recorded', async () => {
    const { store } = opened();
    const gap = fc.record({
      from: fc.nat(60),
      length: fc.nat(15),
      reason: fc.constantFrom('journal-down', 'row-too-long'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(gap, { maxLength: 4 }), { maxLength: 6 }), async (calls) => {
        const partition = newPartition();
        const expected = new Set<string>();
        for (const gaps of calls) {
          await answerOf(
            store.recordGaps(
              gaps.map(({ from, length, reason }) => ({ ...partition, from, to: from + length, reason })),
            ),
          );
          for (const { from, length, reason } of gaps)
            for (let offset = from; offset <= from + length; offset++) expected.add(`${reason} ${offset}`);
        }
        const covered = new Set<string>();
        for (const { topic, from, to, reason } of await store.gaps())
          if (topic === partition.topic)
            for (let offset = from; offset <= to; offset++) covered.add(`${reason} ${offset}`);
        assert.deepEqual([...covered].sort(), [...expected].sort());
      }),
      { numRuns: 25 },
    );
  });

  test('an outage is one gap however often it is prolonged', async () => {
    const { store } = opened();
    const partition = newPartition();
    for (let from = 0; from < 50; from += 5)
      await answerOf(store.recordGaps([{ ...partition, from, to: from + 4, reason: 'journal-down' }]));
    const gaps = (await store.gaps()).filter(({ topic }) => topic === partition.topic);
    assert.deepEqual(gaps, [{ ...partition, from: 0, to: 49, reason: 'journal-down' }]);
  });

  test('purge deletes old rows below the delete checks, and never the newest row of an owed key', async () => {
    const { place, store } = opened();
    const partition = newPartition();
    const table = newTable();
    const purgeAll = async (beforeMs: number) => {
      let total = 0;
      for (let count = 1; count > 0; total += count) count = await store.purge(beforeMs, 2);
      return total;
    };
    await purgeAll(Date.now() + 3_600_000); // what other tests closed
    const keys = ['parked', 'done', 'lettered', 'parked', 'done', 'lettered', 'done', 'done'];
    const changes = keys.map((key, offset) => changeAt(table, key, offset, { op: offset % 2 ? 'delete' : 'upsert' }));
    await answerOf(store.append(partition, changes));
    await answerOf(store.park([parkedAt(partition, changes[3] as Change)]));
    await answerOf(store.writeLetters([letterAt(partition, changes[5] as Change)]));
    await answerOf(store.savePositions([positionAt(partition, 8, 7)]));
    assert.equal(await purgeAll(Date.now() - 3_600_000), 0);
    assert.equal((await journalOf(place, partition)).length, 8);
    assert.equal(await purgeAll(Date.now() + 3_600_000), 5);
    assert.deepEqual(
      (await journalOf(place, partition)).map((row) => Number(row.record_offset)),
      [3, 5, 7],
    );
    await answerOf(store.unpark([{ table, key: 'parked', version: versionOf(0, 3) }]));
    await answerOf(store.closeLetters([{ topic: partition.topic, table, key: 'lettered', version: versionOf(0, 5) }]));
    assert.equal(await purgeAll(Date.now() + 3_600_000), 3, 'two rows and the closed letter');
    assert.deepEqual(
      (await journalOf(place, partition)).map((row) => Number(row.record_offset)),
      [7],
    );
  });

  test('the view names a table as it is qualified, whatever dots its names hold', async () => {
    const { place, store } = opened();
    const partition = newPartition();
    const table = newTable();
    await answerOf(store.append(partition, [changeAt(table, 'k', 0, { op: 'delete' })]));
    assert.equal(String((await journalOf(place, partition))[0]?.table_name), table.qualified);
    assert.equal(lookup(table.database, table.name), table);
    const { deletes } = await answerOf(store.deletesBetween(partition, { from: 0, to: 9, cursor: null, limit: 9 }));
    assert.equal(deletes[0]?.table, table);
  });
}
