import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnType } from '../../src/formats/mysql-types.ts';

test('a printed type is read back as what it was, whatever its case, quotes and labels', () => {
  const labels = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 });
  const quotes = fc.constantFrom("'", '"');
  fc.assert(
    fc.property(fc.constantFrom('enum', 'set', 'ENUM', 'Set'), labels, quotes, (base, wanted, quote) => {
      const printed = wanted.map((label) => printedLabel(label, quote)).join(', ');
      const type = columnType(`${base}(${printed}) CHARACTER SET utf8mb4`);
      assert.equal(type.base, base.toLowerCase());
      assert.deepEqual(type.labels, wanted);
    }),
  );
  const number = fc.nat({ max: 999 });
  fc.assert(
    fc.property(fc.array(number, { maxLength: 2 }), fc.boolean(), fc.boolean(), (args, unsigned, zerofill) => {
      const brackets = args.length === 0 ? '' : `(${args.join(',')})`;
      const type = columnType(`Decimal${brackets}${unsigned ? ' UNSIGNED' : ''}${zerofill ? ' zerofill' : ''}`);
      assert.deepEqual(type, { base: 'decimal', args, labels: [], zerofill, unsigned: unsigned || zerofill });
    }),
  );
});

test('synonyms have the name of the type they stand for', () => {
  const names = {
    'int(10) unsigned': 'int',
    INTEGER: 'int',
    'NUMERIC(8,3)': 'decimal',
    'FIXED(5,1)': 'decimal',
    'double precision': 'double',
    'DOUBLE PRECISION unsigned': 'double',
    REAL: 'double',
    'float(7,2)': 'float',
    'FLOAT(24)': 'float',
    'FLOAT(25)': 'double',
    'CHARACTER VARYING(30)': 'varchar',
    'national varchar(10)': 'varchar',
    'LONG VARCHAR': 'mediumtext',
    'TEXT(500)': 'text',
    enum: 'enum',
    '': 'unknown',
    uuid: 'uuid',
  };
  for (const [text, base] of Object.entries(names)) assert.equal(columnType(text).base, base, text);
  assert.deepEqual(columnType('BOOLEAN').args, [1]);
  assert.equal(columnType('SERIAL').unsigned, true);
});

test('no text makes reading a type fail', () => {
  const noise = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('(', "enum('a", 'set(', "enum('a'", "enum('\\", '1,'),
  );
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 4 }), (parts) => {
      assert.equal(typeof columnType(parts.join('')).base, 'string');
    }),
  );
});

/** A label as SHOW CREATE TABLE prints it: quotes doubled, backslashes and line breaks escaped. */
function printedLabel(label: string, quote: string): string {
  const escaped = label.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\0', '\\0');
  return quote + escaped.replaceAll(quote, quote + quote) + quote;
}
