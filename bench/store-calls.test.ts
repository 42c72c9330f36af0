import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLoad } from './load.ts';
import { readyCalls } from './store-calls.ts';

for (const rowsPerMessage of [1, 20]) {
  test(`every row is in one script and one statement, at ${rowsPerMessage} rows a message`, async () => {
    const shape = { name: 'some', rows: 3100, keys: 3100, skew: 0, rowsPerMessage, partitions: 2, seed: 1 };
    const { appendsOf, scripts } = await readyCalls(makeLoad(shape).partitions);
    const calls = scripts.flat();
    assert.equal(new Set(calls.flatMap(({ keys }) => keys)).size, shape.rows);
    for (const { keys, values } of calls) assert.ok(keys.length === values.length && keys.length <= 500);
    const queue = scripts.map((_, slice) => slice);
    let rows = 0;
    while (queue.length > 0) {
      for (const { sql, values } of appendsOf(queue).flat()) {
        assert.equal(sql.match(/\?/g)?.length, values.length);
        rows += sql.match(/\(\?/g)?.length ?? 0;
      }
    }
    assert.equal(rows, shape.rows);
  });
}
