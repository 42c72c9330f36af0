import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexMapping } from '../../src/formats/index-mapping.ts';
import { columnType } from '../../src/formats/mysql-types.ts';

test('the mapping takes what the codec writes', () => {
  const fieldOf = (type: string) =>
    indexMapping(columnType(type), { decimals: 'string', booleans: 'number' }) as { type: string };
  const cases = {
    'tinyint(1)': 'long',
    'bigint(20)': 'long',
    'bigint unsigned': 'unsigned_long',
    'decimal(10,2)': 'keyword',
    float: 'float',
    double: 'double',
    'bit(1)': 'boolean',
    'bit(63)': 'long',
    'bit(64)': 'unsigned_long',
    date: 'date',
    'timestamp(6)': 'date',
    time: 'keyword',
    year: 'short',
    "enum('a')": 'keyword',
    "set('a')": 'keyword',
    'varchar(20)': 'text',
    longtext: 'text',
    json: 'object',
    'binary(16)': 'binary',
    point: 'binary',
    uuid: 'keyword',
  };
  for (const [type, field] of Object.entries(cases)) assert.equal(fieldOf(type).type, field, type);
  assert.deepEqual(indexMapping(columnType('decimal(9,2)'), { decimals: 'number', booleans: 'number' }), {
    type: 'double',
  });
  assert.deepEqual(indexMapping(columnType('bool'), { decimals: 'string', booleans: 'boolean' }), { type: 'boolean' });
});
