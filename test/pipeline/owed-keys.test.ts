import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OwedKeys } from '../../src/pipeline/owed-keys.ts';
import { newTable } from '../conformance/store-samples.ts';

const place = { topic: 'shop', partition: 0 };
const key = { table: newTable(), key: 'k', version: 5 };

test('a count that was taken while a letter was on its way says nothing', () => {
  const owed = new OwedKeys();
  owed.writing(place, key, key);
  const mark = owed.mark(place);
  owed.none(place, mark);
  assert.ok(owed.mayOwe(place, key.table, 'k'));
  owed.written(place, key, key);
  owed.none(place, owed.mark(place));
  assert.ok(!owed.mayOwe(place, key.table, 'k'));
});

test('a count that was taken before a letter was begun says nothing', () => {
  const owed = new OwedKeys();
  const mark = owed.mark(place);
  owed.writing(place, key, key);
  owed.none(place, mark);
  assert.ok(owed.mayOwe(place, key.table, 'k'));
});

test('a key is being written until each of its writes has ended, however often one is repeated', () => {
  const owed = new OwedKeys();
  const [first, second] = [{}, {}];
  for (const write of [first, second, first]) owed.writing(place, key, write);
  owed.written(place, key, first);
  assert.ok(owed.isWriting(place, key));
  owed.written(place, key, second);
  assert.ok(!owed.isWriting(place, key));
});
