import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { withKeyTables } from '../../src/config/document.ts';
import { keysOfSchema } from '../../src/config/keys.ts';
import { bytesOf, bytesText, durationMs, valueOfText } from '../../src/config/value-texts.ts';

test('a size reads back as it is written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (bytes) => {
      assert.equal(bytesOf(bytesText(bytes)), bytes);
    }),
  );
  assert.equal(bytesOf('1.5KiB'), 1536);
  assert.equal(bytesOf('64 MiB'), 64 << 20);
  for (const text of ['1GB', '5mib', '-1', '', 'MiB', '1e3']) assert.equal(bytesOf(text), text);
});

test('a duration needs a whole number and a unit', () => {
  assert.deepEqual(['500ms', '30s', '10m', '1h', '2d'].map(durationMs), [500, 30_000, 600_000, 3_600_000, 172_800_000]);
  for (const text of ['1', 'h', '1.5h', '1h30m', '']) assert.throws(() => durationMs(text), RangeError);
});

test('a text of the environment is read by the kind of its key, and left as it is when it does not fit', () => {
  assert.equal(valueOfText('number', ' 12 '), 12);
  assert.equal(valueOfText('number', '0x10'), '0x10');
  assert.equal(valueOfText('boolean', 'TRUE'), true);
  assert.equal(valueOfText('boolean', '0'), false);
  assert.equal(valueOfText('boolean', 'yes'), 'yes');
  assert.deepEqual(valueOfText('list', 'a, b,,c'), ['a', 'b', 'c']);
  assert.deepEqual(valueOfText('rules', '[{"match":"a.b"}]'), [{ match: 'a.b' }]);
  assert.equal(valueOfText('list', '[broken'), '[broken');
  assert.equal(valueOfText('secret', ' pw '), ' pw ');
});

test('docs/configuration.md lists every key as the schema has it', () => {
  const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  assert.equal(page, withKeyTables(page), 'run: node src/config/document.ts');
  for (const { path } of keysOfSchema().values()) assert.ok(page.includes(`| \`${path}\` |`), path);
});
