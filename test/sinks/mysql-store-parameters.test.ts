import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { documentOf } from '../../src/pipeline/json-document.ts';
import { parameterBytes } from '../../src/sinks/mysql-store-parameters.ts';
import { DocumentValue, plainValue, type SqlValue } from '../../src/sinks/store-sql.ts';
import { anyText } from './any-text.ts';

/** Around the lengths at which a text is written in another way, or its length with more bytes. */
const turns = fc
  .constantFrom(64, 83, 84, 250, 251, 21_845, 21_846, 65_535, 65_536)
  .chain((turn) => fc.integer({ min: turn - 2, max: turn + 2 }));
const longText = fc
  .tuple(fc.constantFrom('a', 'é', '日', '🙂'), turns, anyText({ maxLength: 3 }))
  .map(([unit, units, end]) => unit.repeat(units / unit.length) + end);
const anyNumber = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, -1, 2 ** 31, 2 ** 32, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);
const anyDocument = fc.oneof(anyText(), longText).map((text) => new DocumentValue(documentOf(text)));
const anyValues = fc.array(fc.oneof(anyText(), longText, anyDocument, anyNumber, fc.constant(null)), { maxLength: 40 });

test('what is written is read again, value for value', () => {
  fc.assert(
    fc.property(anyValues, fc.integer({ min: 0, max: 20 }), (values, headBytes) => {
      const bytes = parameterBytes(values, headBytes);
      // Zero has no sign in an integer column, nor here.
      assert.deepEqual(
        read(bytes.subarray(headBytes), values.length),
        values.map((value) => (Object.is(value, -0) ? 0 : plainValue(value))),
      );
    }),
  );
});

test('a text of sixteen million bytes has its length in eight', () => {
  const text = `${'x'.repeat(2 ** 24)}é`;
  assert.deepEqual(read(parameterBytes([text, 7], 0), 2), [text, 7]);
});

test('half of a surrogate pair becomes a replacement character, as in a Buffer', () => {
  assert.deepEqual(read(parameterBytes(['\ud83d'], 0), 1), ['\ufffd']);
});

/** Reads the values of a COM_STMT_EXECUTE as a server does, and every byte of them. */
function read(bytes: Buffer, count: number): SqlValue[] {
  const bitmapBytes = Math.ceil(count / 8);
  assert.equal(bytes[bitmapBytes], 1, 'types follow');
  let at = bitmapBytes + 1 + 2 * count;
  const values = Array.from({ length: count }, (_, index): SqlValue => {
    const type = bytes.readUInt16LE(bitmapBytes + 1 + 2 * index);
    const isNull = ((bytes[index >> 3] as number) & (1 << (index & 7))) !== 0;
    assert.equal(isNull, type === 6);
    if (isNull) return null;
    if (type === 5 || type === 8) {
      at += 8;
      return type === 5 ? bytes.readDoubleLE(at - 8) : Number(bytes.readBigInt64LE(at - 8));
    }
    assert.equal(type, 0xfd);
    const [width, length] = lengthAt(bytes, at);
    at += width + length;
    return bytes.toString('utf8', at - length, at);
  });
  assert.equal(at, bytes.length);
  return values;
}

/** How many bytes a length takes, and the length; it may take no more than it needs. */
function lengthAt(bytes: Buffer, at: number): [width: number, length: number] {
  const mark = bytes.readUInt8(at);
  if (mark < 0xfb) return [1, mark];
  const width = { 252: 2, 253: 3, 254: 8 }[mark];
  assert.ok(width !== undefined);
  const length = width === 8 ? Number(bytes.readBigUInt64LE(at + 1)) : bytes.readUIntLE(at + 1, width);
  assert.ok(length >= (width === 2 ? 0xfb : width === 3 ? 2 ** 16 : 2 ** 24));
  return [1 + width, length];
}
