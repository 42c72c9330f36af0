import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/pipeline/change.ts';
import { documentOf, textOf } from '../../src/pipeline/json-document.ts';
import { bulkBody } from '../../src/sinks/elasticsearch-bulk-body.ts';
import { anyText } from './any-text.ts';

const table: Table = { database: 'shop', name: 'a', qualified: 'shop.a', index: 'shop_a', mapping: null };

test('a body is an action line for each write and the document behind it, whatever characters they hold', () => {
  const write = fc.record({
    key: anyText(),
    version: fc.maxSafeNat(),
    text: fc.option(anyText({ maxLength: 400 })),
    isPretty: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(write, { minLength: 1, maxLength: 20 }), (drawn) => {
      const writes = drawn.map(({ isPretty, key, text, version }) => {
        const document = text === null ? null : documentOf(JSON.stringify({ text }, null, isPretty ? 1 : undefined));
        return { table, key, version, document };
      });
      const lines = bulkBody(writes).toString().split('\n');
      assert.equal(lines.pop(), '', 'the last line is ended');
      const expected = writes.flatMap(({ document, key, version }) => {
        const action = { _id: key, version, version_type: 'external_gte' };
        return document === null ? [{ delete: action }] : [{ index: action }, JSON.parse(textOf(document))];
      });
      assert.deepEqual(
        lines.map((line) => JSON.parse(line)),
        expected,
      );
    }),
  );
});
