import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizeOf } from '../../src/pipeline/change.ts';
import { memoryBuffer } from '../../src/sinks/memory-buffer.ts';
import { changeOf, freshTable, upsert } from '../conformance/buffer.ts';

test('at its bound the memory buffer drops what was written longest ago, and never holds more', async () => {
  const table = freshTable();
  const bytes = sizeOf(changeOf(table, 'a', 1));
  const buffer = memoryBuffer({ maxBytes: 3 * bytes });
  for (const key of ['a', 'b', 'c']) await upsert(buffer, [changeOf(table, key, 1)]);
  await upsert(buffer, [changeOf(table, 'a', 2)]);
  await upsert(buffer, [changeOf(table, 'd', 1)]);
  assert.equal(await buffer.size(), 3);
  assert.equal(await buffer.read(table, 'b'), null);
  assert.equal((await buffer.read(table, 'a'))?.version, 2);
  await upsert(buffer, [changeOf(table, 'e', 1, { text: 'x'.repeat(4 * bytes) })]);
  assert.equal(await buffer.size(), 0);
});

test('rows expire one by one as their time comes, each change starting it anew', async () => {
  let nowMs = 0;
  const buffer = memoryBuffer({ expirySeconds: 10, scheduler: { now: () => nowMs } });
  const table = freshTable();
  await upsert(buffer, [changeOf(table, 'a', 1), changeOf(table, 'b', 1)]);
  nowMs = 6_000;
  await upsert(buffer, [changeOf(table, 'a', 2)]);
  nowMs = 10_000;
  assert.deepEqual([await buffer.size(), await buffer.read(table, 'b')], [1, null]);
  nowMs = 15_999;
  assert.equal((await buffer.read(table, 'a'))?.version, 2);
  nowMs = 16_000;
  assert.equal(await buffer.size(), 0);
});

test('a bound or an expiry that makes no sense is refused at once', () => {
  assert.throws(() => memoryBuffer({ maxBytes: 0 }), RangeError);
  assert.throws(() => memoryBuffer({ expirySeconds: Number.NaN }), RangeError);
});
