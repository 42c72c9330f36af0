import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Change, versionOf } from '../../src/pipeline/change.ts';
import { textOf } from '../../src/pipeline/json-document.ts';
import type { OpenPlace } from './store.ts';
import { answerOf, changeAt, forgetTable, letterAt, newPartition, newTable } from './store-samples.ts';

export function letterConformance(opened: () => OpenPlace): void {
  test('a letter is written once and read as it was', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const change = changeAt(table, 'k😀', 9, { epoch: 3, text: '{"a":"𝄞"}' });
    const letter = letterAt(partition, change);
    await answerOf(store.writeLetters([letter, letter]));
    await answerOf(store.writeLetters([letter]));
    const [found, ...more] = await store.letters({ table: table.qualified });
    assert.deepEqual(more, []);
    assert.ok(found && found.id > 0 && Math.abs(found.createdMs - Date.now()) < 60_000);
    const { id, createdMs, ...rest } = found;
    assert.deepEqual(rest, { ...letter, state: 'open' });
    assert.equal(found.table, table);
    assert.equal(await store.letterCount(partition), 1);
    assert.ok(createdMs > 0 && id > 0);
  });

  test('a record without table and key can be a letter', async () => {
    const { store } = opened();
    const partition = newPartition();
    const letter = {
      ...letterAt(partition, changeAt(newTable(), '', 4)),
      reason: 'not-json',
      table: null,
      key: null,
      op: null,
      body: '{"',
    };
    await answerOf(store.writeLetters([letter]));
    await answerOf(store.writeLetters([letter, { ...letter, reason: 'no-primary-key' }]));
    const found = (await store.letters({ limit: 1000 })).filter(({ topic }) => topic === partition.topic);
    assert.deepEqual(
      found.map(({ table, key, op, reason }) => [table, key, op, reason]),
      [
        [null, null, null, 'not-json'],
        [null, null, null, 'no-primary-key'],
      ],
    );
  });

  test('a newer settled version closes the letters of its key, and only those', async () => {
    const { store } = opened();
    const partition = newPartition();
    const { topic } = partition;
    const table = newTable();
    const letters = [1, 5, 9].map((offset) => letterAt(partition, changeAt(table, 'a', offset)));
    await answerOf(store.writeLetters([...letters, letterAt(partition, changeAt(table, 'A', 1))]));
    assert.equal(await answerOf(store.closeLetters([{ topic, table, key: 'a', version: versionOf(0, 5) }])), 2);
    assert.equal(await answerOf(store.closeLetters([{ topic, table, key: 'a', version: versionOf(0, 5) }])), 0);
    const found = await store.letters({ table: table.qualified });
    assert.deepEqual(found.map(({ key, offset, state }) => `${key} ${offset} ${state}`).sort(), [
      'A 1 open',
      'a 1 closed',
      'a 5 closed',
      'a 9 open',
    ]);
    assert.equal(await store.letterCount(partition), 2);
    await answerOf(store.writeLetters(letters));
    assert.equal(await store.letterCount(partition), 2, 'a letter that was closed stays closed');
  });

  test('a change of another topic closes no letter, however high its version is', async () => {
    const { store } = opened();
    const partition = newPartition();
    const { topic } = newPartition();
    const table = newTable();
    await answerOf(store.writeLetters([letterAt(partition, changeAt(table, 'a', 5))]));
    assert.equal(await answerOf(store.closeLetters([{ topic, table, key: 'a', version: versionOf(0, 9) }])), 0);
    assert.equal(await store.letterCount(partition), 1);
  });

  test('a delete that is unordered against its key is neither closed by a version nor sent again', async () => {
    const { store } = opened();
    const partition = newPartition();
    const { topic } = partition;
    const table = newTable();
    const reason = 'unordered-key-change';
    await answerOf(store.writeLetters([letterAt(partition, changeAt(table, 'a', 5), { reason })]));
    assert.equal(await answerOf(store.closeLetters([{ topic, table, key: 'a', version: versionOf(0, 9) }])), 0);
    assert.equal(await store.requestRedrive({ table: table.qualified }), 1);
    const [marked] = await answerOf(store.redrives(partition, 10));
    assert.equal(marked?.change, null);
    assert.equal(marked?.isOvertaken, false);
  });

  test('letters are filtered by table, reason, state and id, the oldest first, up to a limit', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const letters = Array.from({ length: 7 }, (_, offset) =>
      letterAt(partition, changeAt(table, `k${offset}`, offset), {
        reason: offset % 2 ? 'document-rejected' : 'too-large',
      }),
    );
    await answerOf(store.writeLetters(letters));
    const offsets = async (filter: object) =>
      (await store.letters({ table: table.qualified, ...filter })).map(({ offset }) => offset);
    assert.deepEqual(await offsets({}), [0, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await offsets({ reason: 'too-large' }), [0, 2, 4, 6]);
    assert.deepEqual(await offsets({ limit: 2 }), [0, 1]);
    assert.deepEqual(await offsets({ state: 'closed' }), []);
    const [first] = await store.letters({ table: table.qualified });
    assert.ok(first);
    assert.deepEqual(
      (await store.letters({ id: first.id })).map(({ key }) => key),
      ['k0'],
    );
  });

  test('a redrive is asked for once, and the journal tells whether the key moved on', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const changes = ['same', 'newer', 'newer', 'deleted'].map((key, offset) =>
      changeAt(table, key, offset, { op: key === 'deleted' ? 'delete' : 'upsert', ordinal: 2 }),
    ) as [Change, Change, Change, Change];
    await answerOf(store.append(partition, changes));
    const cut = { body: textOf(changes[0].document).slice(0, 5) };
    await answerOf(
      store.writeLetters([
        letterAt(partition, changes[0], cut),
        letterAt(partition, changes[1]),
        letterAt(partition, changes[3]),
      ]),
    );
    assert.equal(await store.requestRedrive({ table: table.qualified }), 3);
    assert.equal(await store.requestRedrive({ table: table.qualified }), 0);
    const redrives = await answerOf(store.redrives(partition, 10));
    assert.deepEqual(
      redrives.map(({ change, isOvertaken }) => [change?.key, change?.offset, isOvertaken]),
      [
        ['same', 0, false],
        ['newer', 1, true],
        ['deleted', 3, false],
      ],
    );
    assert.deepEqual(redrives[0]?.change, changes[0], 'the journal has the whole document');
    const ids = redrives.map(({ letter }) => letter.id);
    await answerOf(store.setLetterState(ids.slice(0, 1), 'open'));
    await answerOf(store.setLetterState(ids.slice(1), 'closed'));
    assert.deepEqual(
      (await store.letters({ table: table.qualified })).map(({ state }) => state),
      ['open', 'closed', 'closed'],
    );
    assert.deepEqual(await answerOf(store.redrives(partition, 10)), []);
  });

  test('a redrive is not overtaken by a change of another topic', async () => {
    const { store } = opened();
    const [own, other] = [newPartition(), newPartition()];
    const table = newTable();
    const refused = changeAt(table, 'k', 3);
    await answerOf(store.append(own, [refused]));
    await answerOf(store.append(other, [changeAt(table, 'k', 8)]));
    await answerOf(store.writeLetters([letterAt(own, refused)]));
    await store.requestRedrive({ table: table.qualified });
    const [redrive] = await answerOf(store.redrives(own, 1));
    assert.deepEqual([redrive?.change, redrive?.isOvertaken], [refused, false]);
  });

  test('a redrive without a journal uses the letter when it holds the whole document', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    const whole = changeAt(table, 'whole', 1);
    await answerOf(
      store.writeLetters([
        letterAt(partition, whole),
        letterAt(partition, changeAt(table, 'cut', 2), { body: `{"a":"${'x'.repeat(65_530)}` }),
        letterAt(partition, changeAt(table, 'gone', 3, { op: 'delete' }), { body: '' }),
      ]),
    );
    await store.requestRedrive({ table: table.qualified, limit: 10 });
    const redrives = await answerOf(store.redrives(partition, 10));
    assert.deepEqual(
      redrives.map(({ change }) => change && [change.key, change.op, change.version]),
      [['whole', 'upsert', whole.version], null, ['gone', 'delete', versionOf(0, 3)]],
    );
  });

  test('redrives of a table that is not configured have no change', async () => {
    const { store } = opened();
    const partition = newPartition();
    const table = newTable();
    await answerOf(store.writeLetters([letterAt(partition, changeAt(table, 'k', 1))]));
    forgetTable(table);
    assert.equal(await store.requestRedrive({ table: table.qualified }), 1);
    const [redrive] = await answerOf(store.redrives(partition, 1));
    assert.deepEqual([redrive?.change, redrive?.isOvertaken, redrive?.letter.key], [null, false, 'k']);
  });
}
