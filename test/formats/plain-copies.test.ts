import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnCodec } from '../../src/formats/column-codec.ts';
import { columnType } from '../../src/formats/mysql-types.ts';
import { COPY_MARGIN } from '../../src/formats/plain-copies.ts';

const OPTIONS = { decimals: 'string', booleans: 'number', canalZone: 'UTC', isShownAsBytes: false } as const;
const TYPES = ['int(11)', 'bigint(20) unsigned', 'year(4)', 'decimal(12,2)', 'decimal(20,6)', 'decimal(9,0)', 'date']
  .concat(['datetime', 'datetime(6)', 'timestamp', 'varchar(40)', 'text', 'something else'])
  .concat(["enum('a','b')", 'double', 'json', 'time', 'blob', 'bit(8)']);

const digits = (length: number) => fc.string({ unit: fc.constantFrom('0', '1', '2', '9'), maxLength: length });
const pad = (number: number, length: number) => String(number).padStart(length, '0');
const date = fc
  .tuple(fc.constantFrom(0, 1, 1999, 2024, 9999), fc.integer({ min: 0, max: 13 }), fc.integer({ min: 0, max: 32 }))
  .map(([year, month, day]) => `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`);
const time = fc
  .tuple(fc.integer({ min: 0, max: 25 }), fc.integer({ min: 0, max: 61 }), fc.integer({ min: 0, max: 61 }))
  .map((parts) => parts.map((part) => pad(part, 2)).join(':'));
/** Texts that are nearly of some type, and any other without the bytes that JSON would escape. */
const plainText = fc
  .oneof(
    fc.tuple(fc.constantFrom('', '-', '+', '--'), digits(4)).map((parts) => parts.join('')),
    fc
      .tuple(fc.constantFrom('', '-'), digits(3), fc.constantFrom('.', '', '..'), digits(8))
      .map((parts) => parts.join('')),
    date,
    fc
      .tuple(date, fc.constantFrom(' ', 'T', '  '), time, fc.constantFrom('', '.'), digits(10))
      .map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 200 }),
  )
  .filter((text) => !/["\\]|[^\x20-\u{10ffff}]|\p{Cs}/u.test(text));

test('what a copy takes it writes as the codec would, within its margin', () => {
  const taken = new Set<string>();
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), fc.boolean(), plainText, (name, areNumbers, text) => {
      const codec = columnCodec(columnType(name), { ...OPTIONS, decimals: areNumbers ? 'number' : 'string' });
      if (codec.copy === null) return;
      const from = Buffer.from(`<${text}>`);
      const to = Buffer.alloc(from.length + COPY_MARGIN, 0x7e);
      const after = codec.copy(from, 1, from.length - 1, to, 1);
      if (after < 0) return;
      taken.add(name);
      assert.equal(to.toString('utf8', 1, after), codec.json(text));
      assert.ok(after - 1 <= from.length - 2 + COPY_MARGIN);
      if (codec.isKeyWhenCopied) assert.equal(codec.keyPart(text), text);
    }),
    { numRuns: 30_000 },
  );
  const withCopy = TYPES.filter((name) => columnCodec(columnType(name), OPTIONS).copy !== null);
  assert.ok(withCopy.length >= 13, withCopy.join());
  assert.deepEqual([...taken].sort(), withCopy.sort(), 'each copy took something');
});

test('nearly every value of the common types is copied', () => {
  const values = {
    'int(11)': ['0', '7', '-15', '4294967295'],
    'decimal(12,2)': ['0.00', '0.50', '12.30', '-9.99'],
    date: ['2026-01-05'],
    datetime: ['2026-01-05 08:00:00'],
    'datetime(6)': ['2026-01-05 08:00:00.123456'],
    timestamp: ['2026-12-28 23:59:59'],
    'varchar(20)': ['', 'x', '北京 émail', 'a'.repeat(500)],
  };
  for (const [name, texts] of Object.entries(values)) {
    const { copy } = columnCodec(columnType(name), OPTIONS);
    for (const text of texts) {
      const from = Buffer.from(text);
      assert.ok(
        (copy?.(from, 0, from.length, Buffer.alloc(from.length + COPY_MARGIN), 0) ?? -1) > 0,
        `${name}: ${text}`,
      );
    }
  }
});
