import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canalJson } from '../../src/formats/canal-json.ts';
import { textOf } from '../../src/pipeline/json-document.ts';
import { type TableRuleConfig, tables } from '../../src/pipeline/tables.ts';
import { canalMessage } from './canal-message.ts';
import { parseValue, textsOf } from './replay.ts';

const text = (fields: Readonly<Record<string, unknown>> = {}) => JSON.stringify(canalMessage(fields));
const formatOf = (rules: readonly TableRuleConfig[] = [], options: object = {}) =>
  canalJson({ tables: tables({ rules }), ...options });
const update = (data: object[], old: (object | null)[] | null) => text({ type: 'UPDATE', data, old });
const briefly = ({ changes, rejected }: ReturnType<typeof parseValue>) => [
  ...changes.map(({ op, key }) => `${op} ${key}`),
  ...rejected.map(({ reason, key }) => `${reason} ${key ?? '-'}`),
];

test('changes of one record share a version and are told apart by their place in it', () => {
  const value = update(
    [
      { id: '4', note: 'c' },
      { id: '3', note: 'b' },
    ],
    [{ id: '3' }, { id: '2' }],
  );
  const { changes } = parseValue(formatOf(), value, { offset: 9, timestampMs: 77 });
  assert.deepEqual(
    changes.map(({ op, operation, key, ordinal, version, timestampMs }) => [
      op,
      operation,
      key,
      ordinal,
      version,
      timestampMs,
    ]),
    [
      ['delete', 'UPDATE', '3', 0, 10, 77],
      ['upsert', 'UPDATE', '4', 1, 10, 77],
      ['delete', 'UPDATE', '2', 2, 10, 77],
      ['upsert', 'UPDATE', '3', 3, 10, 77],
    ],
  );
  assert.equal(textsOf(changes)[0], '{"id":3,"note":"c"}', 'a delete shows the row as it was');
});

test('a key counts as changed only when its encoded form differs', () => {
  const format = formatOf();
  assert.deepEqual(briefly(parseValue(format, update([{ id: '1', note: 'b' }], [{ id: '01', note: 'a' }]))), [
    'upsert 1',
  ]);
  assert.deepEqual(briefly(parseValue(format, update([{ id: '1', note: 'b' }], [{ id: null }]))), ['upsert 1']);
  assert.deepEqual(briefly(parseValue(format, update([{ id: '1', note: 'b' }], [null]))), ['upsert 1']);
  assert.deepEqual(briefly(parseValue(format, update([{ id: '1', note: 'b' }], null))), ['upsert 1']);
});

test('an old that does not line up with data is a letter if a key is in it', () => {
  const data = [
    { id: '1', note: 'x' },
    { id: '2', note: 'y' },
  ];
  assert.deepEqual(briefly(parseValue(formatOf(), update(data, [{ note: 'a' }]))), ['upsert 1', 'upsert 2']);
  assert.deepEqual(briefly(parseValue(formatOf(), update(data, [{ id: '9' }]))), ['unpaired-old -']);
});

test('the removal of a former key in another partition is a letter, and the new row is written', () => {
  const value = update([{ id: '1', note: 'b' }], [{ id: '2' }]);
  // Canal's formula sends key 1 of database shop to partition 5 of 6, and key 2 to partition 2.
  const place = { partition: 5, offset: 3 };
  const hashed = formatOf([], { partitionCount: () => 6 });
  const parsed = parseValue(hashed, value, place);
  assert.deepEqual(briefly(parsed), ['upsert 1', 'unordered-key-change 2']);
  const { table, op, body, version } = parsed.rejected[0] ?? {};
  assert.deepEqual([table?.index, op, body, version], ['shop_orders', 'delete', '{"id":2,"note":"b"}', 4]);
  const byTable = formatOf([], { partitionCount: () => 6, hashedTopic: () => false });
  assert.deepEqual(briefly(parseValue(byTable, value, place)), ['delete 2', 'upsert 1']);
  assert.deepEqual(briefly(parseValue(formatOf(), value, place)), ['delete 2', 'upsert 1']);
});

test('where Canal sent a former key is told by the number of partitions when the record was written', () => {
  const value = update([{ id: '1', note: 'b' }], [{ id: '2' }]);
  // 6 partitions today; when there was one, both keys were in it.
  const grown = formatOf([], { partitionCount: (_: string, epoch: number) => (epoch === 0 ? 1 : 6) });
  const place = { partition: 5, offset: 3 };
  assert.deepEqual(briefly(parseValue(grown, value, { ...place, epoch: 0 })), ['delete 2', 'upsert 1']);
  assert.deepEqual(briefly(parseValue(grown, value, { ...place, epoch: 1 })), ['upsert 1', 'unordered-key-change 2']);
});

test('a row whose values are not of their types is a letter that names the columns, and its neighbours go on', () => {
  const data = [
    { id: '1', note: 'x' },
    { id: 'stoneware', note: 'y' },
    { id: '3', note: 'z' },
  ];
  const { changes, rejected } = parseValue(formatOf(), text({ data }));
  assert.deepEqual(
    changes.map(({ key }) => key),
    ['1', '3'],
  );
  assert.equal(rejected[0]?.detail, 'key column "id" does not hold what its type says');
  const swapped = {
    mysqlType: { id: 'int', created: 'datetime', valid: 'int(11)' },
    data: [{ id: '1', created: '1', valid: '2026-01-01 00:00:00' }],
  };
  const letter = parseValue(formatOf(), text(swapped)).rejected[0];
  assert.deepEqual([letter?.reason, letter?.key, letter?.op], ['value-mismatch', '1', 'upsert']);
  assert.match(letter?.detail ?? '', /created \(datetime\).*valid \(int\(11\)\)/);
});

test('a rejected row takes back earlier changes of its key in the record, a later good row stands', () => {
  const mysqlType = { id: 'int', note: 'int' };
  const rows = (...notes: string[]) => text({ mysqlType, data: notes.map((note) => ({ id: '1', note })) });
  assert.deepEqual(briefly(parseValue(formatOf(), rows('1', 'x'))), ['value-mismatch 1']);
  const stands = parseValue(formatOf(), rows('x', '2'));
  assert.deepEqual(briefly(stands), ['upsert 1', 'value-mismatch 1']);
  const twice = parseValue(formatOf(), rows('x', 'y'));
  assert.deepEqual(
    twice.rejected.map(({ body }) => body),
    ['{"id":1,"note":"y"}'],
  );
});

test('an update that lacks a column of earlier rows is a letter until a DDL of the table', () => {
  const format = formatOf();
  const full = { id: '1', note: 'long', qty: '1' };
  const mysqlType = { id: 'int', note: 'text', qty: 'int' };
  const partial = (fields: object) => text({ type: 'UPDATE', mysqlType, old: [{ qty: '1' }], ...fields });
  assert.deepEqual(briefly(parseValue(format, text({ mysqlType, data: [full] }))), ['upsert 1']);
  assert.deepEqual(briefly(parseValue(format, partial({ data: [{ id: '1', qty: '2' }] }))), ['incomplete-row 1']);
  assert.deepEqual(briefly(parseValue(format, partial({ data: [{ qty: '2' }], pkNames: null }))), ['incomplete-row -']);
  assert.deepEqual(briefly(parseValue(format, partial({ data: [{ id: '2', qty: '2' }], old: [{ id: '1' }] }))), [
    'delete 1',
    'incomplete-row 2',
  ]);
  // An INSERT that lacks the text column proves nothing: NOBLOB leaves it out there too. One that lacks a number does.
  const inserted = parseValue(format, text({ mysqlType, data: [{ id: '3', qty: '1' }] }));
  assert.deepEqual(briefly(inserted), ['upsert 3']);
  assert.deepEqual(
    inserted.notices.map(({ kind }) => kind),
    ['incomplete-insert'],
  );
  assert.deepEqual(briefly(parseValue(format, partial({ data: [{ id: '3', qty: '2' }] }))), ['incomplete-row 3']);
  assert.deepEqual(briefly(parseValue(format, text({ mysqlType, data: [{ id: '4', note: 'x' }] }))), ['upsert 4']);
  assert.deepEqual(briefly(parseValue(format, partial({ data: [{ id: '4', note: 'y' }] }))), ['upsert 4']);
  parseValue(format, text({ type: 'ALTER', isDdl: true, data: null, sql: 'ALTER TABLE orders DROP COLUMN note' }));
  assert.deepEqual(briefly(parseValue(format, partial({ data: [{ id: '1', qty: '2' }] }))), ['upsert 1']);
});

test('a delete needs nothing but its key', () => {
  const format = formatOf();
  parseValue(format, text());
  const gone = parseValue(format, text({ type: 'DELETE', data: [{ id: '1' }] }));
  assert.deepEqual(
    gone.changes.map(({ op, operation, document }) => [op, operation, textOf(document)]),
    [['delete', 'DELETE', '{"id":1}']],
  );
});

test('a rule names the key columns, leaves columns out and types booleans and decimals', () => {
  const rule = {
    match: 'shop.*',
    keyColumns: ['b', 'a'],
    exclude: ['secret'],
    decimals: 'number',
    booleans: 'boolean',
  } as const;
  const format = formatOf([rule]);
  const data = [{ a: '1', b: 'x', secret: 's', price: '0.0', is_open: '2' }];
  const mysqlType = { a: 'int', b: 'varchar(9)', secret: 'text', price: 'decimal(9,2)', is_open: 'tinyint(1)' };
  const { changes } = parseValue(format, text({ data, mysqlType, pkNames: null }));
  assert.equal(changes[0]?.key, 'x:1');
  assert.deepEqual(textsOf(changes), ['{"a":1,"b":"x","price":0.00,"is_open":true}']);
  assert.deepEqual(Object.keys(changes[0]?.table.mapping ?? {}), ['a', 'b', 'price', 'is_open']);
  const only = formatOf([{ match: 'shop.*', include: ['b'] }]);
  const narrow = parseValue(only, text({ data, mysqlType, pkNames: ['a'] })).changes;
  assert.deepEqual([narrow[0]?.key, ...textsOf(narrow)], ['1', '{"b":"x"}']);
});

test('the order of pkNames in a message does not change an id', () => {
  const format = formatOf();
  const data = [{ a: '1', b: '2' }];
  const ids = [
    ['a', 'b'],
    ['b', 'a'],
  ].map((pkNames) => parseValue(format, text({ data, pkNames })).changes[0]?.key);
  assert.deepEqual(ids, ['1:2', '1:2']);
});

test('the mapping of a table follows its columns, and is a new object only when it changes', () => {
  const format = formatOf();
  const mappingAfter = (value: string) => parseValue(format, value).changes[0]?.table.mapping;
  const first = mappingAfter(text());
  assert.deepEqual(Object.keys(first ?? {}), ['id', 'note']);
  assert.equal(mappingAfter(text({ data: [{ id: '2', note: 'b' }] })), first);
  const wider = mappingAfter(
    text({ data: [{ id: '2', note: 'b', 'a.b': '1' }], mysqlType: { id: 'bigint', note: 'text', 'a.b': 'int' } }),
  );
  assert.deepEqual(wider, { id: { type: 'long' }, note: { type: 'text' }, 'a%2Eb': { type: 'long' } });
});

test('a table whose index is taken is refused by letters', () => {
  const format = formatOf();
  parseValue(format, text());
  const { changes, rejected } = parseValue(format, text({ table: 'Orders' }));
  assert.deepEqual([changes, rejected.map(({ reason }) => reason)], [[], ['index-taken']]);
});

test('a table end is told once a batch under alarm and never under ignore', () => {
  const ended = text({ type: 'TRUNCATE', isDdl: true, data: null, sql: 'truncate table orders' });
  assert.deepEqual(
    parseValue(formatOf(), ended).notices.map(({ kind, table, offset }) => [kind, table, offset]),
    [['truncate', 'shop.orders', 0]],
  );
  assert.deepEqual(parseValue(formatOf([{ match: 'shop.*', truncate: 'ignore' }]), ended).notices, []);
  assert.deepEqual(parseValue(formatOf([{ match: 'shop.customers' }]), ended).notices, []);
});

test('text that Canal damaged is written as it came, and told', () => {
  const { changes, notices } = parseValue(formatOf(), text({ data: [{ id: '1', note: 'caf\ufffd' }] }));
  assert.deepEqual(textsOf(changes), ['{"id":1,"note":"caf\ufffd"}']);
  assert.deepEqual(
    notices.map(({ kind, table }) => [kind, table]),
    [['damaged-text', 'shop.orders']],
  );
});
