import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { documentKey, escapeKeyPart } from '../../src/formats/document-key.ts';

const idOf = (values: readonly string[]) => documentKey(values.map(escapeKeyPart));

test('distinct keys have distinct ids', () => {
  // Few characters, so that near misses are frequent: those that escapes are made of, and halves of surrogate pairs.
  const character = fc.constantFrom(
    '%',
    ':',
    '_',
    '2',
    '5',
    'u',
    'd',
    '8',
    '0',
    ' ',
    '\ud800',
    '\udfff',
    'é',
    '\u0301',
    '\0',
  );
  const value = fc.oneof(
    fc.array(character, { maxLength: 5 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary' }),
    fc.string({ minLength: 500, maxLength: 520 }),
  );
  const keys = fc.integer({ min: 1, max: 3 }).chain((length) => {
    const key = fc.array(value, { minLength: length, maxLength: length });
    return fc.tuple(key, key);
  });
  fc.assert(
    fc.property(keys, ([left, right]) => {
      const isSame = left.every((part, at) => part === right[at]);
      assert.equal(idOf(left) === idOf(right), isSame, JSON.stringify([left, right]));
    }),
    { numRuns: 3000 },
  );
});

test('an id has 1 to 512 bytes, all of it ordinary characters and escapes', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 400 }), { minLength: 1, maxLength: 4 }), (values) => {
      const id = idOf(values);
      assert.ok(id.length > 0 && Buffer.byteLength(id) <= 512);
      assert.match(id, /^(?:[A-Za-z0-9\-._~@:]|%[0-9A-F]{2}|%_|%u[0-9A-F]{4}|[\u00a0-\u{10ffff}]|^%sha256-)+$/u);
      assert.ok(id.isWellFormed());
    }),
  );
});

test('ids look as documented', () => {
  const ids: [values: string[], id: string][] = [
    [['1001'], '1001'],
    [['SKU-1', '2'], 'SKU-1:2'],
    [['a:b', 'c'], 'a%3Ab:c'],
    [['a', 'b:c'], 'a:b%3Ac'],
    [['a_b', 'c'], 'a_b:c'],
    [[''], '%_'],
    [['', ''], '%_:%_'],
    [['a/b c'], 'a%2Fb%20c'],
    [['%_'], '%25_'],
    [['\ud800'], '%uD800'],
    [['北京'], '北京'],
  ];
  for (const [values, id] of ids) assert.equal(idOf(values), id);
  assert.equal(idOf(['x'.repeat(512)]), 'x'.repeat(512));
  assert.match(idOf(['x'.repeat(513)]), /^%sha256-[0-9a-f]{64}$/);
  assert.notEqual(idOf([idOf(['x'.repeat(513)])]), idOf(['x'.repeat(513)]), 'no raw key reads like a hash');
});
