import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canalJson } from '../../src/formats/canal-json.ts';
import { readCanalRecord } from '../../src/formats/canal-record.ts';
import { readRows } from '../../src/formats/canal-rows.ts';
import { CanalTemplates } from '../../src/formats/canal-templates.ts';
import { ParsedChanges } from '../../src/formats/parsed-changes.ts';
import { TableShape } from '../../src/formats/table-shape.ts';
import type { RecordBatch } from '../../src/pipeline/change.ts';
import type { ParsedBatch } from '../../src/pipeline/ports.ts';
import { type RoutedTable, tables } from '../../src/pipeline/tables.ts';
import { canalMessage } from './canal-message.ts';
import { parseValue } from './replay.ts';

type Row = Record<string, string | null>;

/** Two tables of the same name, each in two versions, with columns of many types and names that are awkward to cut by. */
const TABLES = [
  { database: 'shop', mysqlType: { id: 'int(11)', note: 'varchar(40)' }, pkNames: ['id'] },
  { database: 'shop', mysqlType: { id: 'int(11)', note: 'varchar(40)', table: 'text' }, pkNames: ['id'] },
  {
    database: 'archive',
    mysqlType: { code: 'varchar(60)', 'no":"': 'bigint(20)', at: 'datetime', amount: 'decimal(10,2)', doc: 'json' },
    pkNames: ['code', 'no":"'],
  },
  { database: 'archive', mysqlType: { code: 'varchar(60)', state: "enum('a','b')", raw: 'blob' }, pkNames: ['code'] },
];

const awkward = fc.constantFrom(
  '',
  '0',
  '17',
  '007',
  '12.5',
  '2026-01-05 08:00:00',
  '{"a":1}',
  'plain words that are longer than a dozen characters',
  '"}],"database":"',
  '},{"id":"9"',
  '\\',
  '\\"',
  'line\nbreak',
  '北京 émail',
  '\ufffd',
  '"table":"orders"',
);
const value = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 30 }).map(String) }, awkward, fc.string());

const message = fc
  .record({
    table: fc.constantFrom(...TABLES),
    type: fc.constantFrom('INSERT', 'UPDATE', 'UPDATE', 'DELETE'),
    rows: fc.array(fc.array(fc.option(value, { freq: 8 }), { minLength: 5, maxLength: 5 }), {
      minLength: 1,
      maxLength: 3,
    }),
    changed: fc.array(fc.subarray([0, 1, 2, 3, 4]), { minLength: 3, maxLength: 3 }),
    gtid: fc.constantFrom('', '0-1-5', 'a"b'),
    form: fc.constantFrom('as Canal', 'as Canal', 'as Canal', 'spaced', 'short of old', 'other sqlType', 'cut'),
  })
  .map(({ changed, form, gtid, rows, table: { database, mysqlType, pkNames }, type }) => {
    const names = Object.keys(mysqlType);
    const data = rows.map((row): Row => Object.fromEntries(names.map((name, at) => [name, row[at] ?? null])));
    const old = data.map(
      (row, at): Row =>
        Object.fromEntries(
          (changed[at] ?? []).flatMap((place) => (names[place] ? [[names[place], `${row[names[place]]}!`]] : [])),
        ),
    );
    const sqlType = Object.fromEntries(names.map((name) => [name, form === 'other sqlType' ? 2004 : 12]));
    const fields = { database, mysqlType, pkNames, type, data, gtid, sqlType };
    const text = JSON.stringify(
      canalMessage({ ...fields, old: type === 'UPDATE' ? old.slice(form === 'short of old' ? 1 : 0) : null }),
      null,
      form === 'spaced' ? 1 : undefined,
    );
    return form === 'cut' ? text.slice(0, -3) : text;
  });

/** What came of a value, but for the record's own text in a letter. */
function briefly({ changes, notices, rejected, skipped }: ParsedBatch): object {
  const letters = rejected.map(({ body, ...rest }) => (rest.key === null ? rest : { ...rest, body }));
  return { changes, letters, notices, skipped: [...skipped] };
}

test('messages read by template give what a full parse gives, whatever came before them', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (texts) => {
      const byTemplate = canalJson({ tables: tables() });
      const inFull = canalJson({ tables: tables() });
      for (const [offset, text] of texts.entries()) {
        const place = { offset, timestampMs: 1 };
        // A space in front is JSON as well, and no template begins with one.
        const [found, expected] = [parseValue(byTemplate, text, place), parseValue(inFull, ` ${text}`, place)];
        assert.deepEqual(plain(briefly(found)), plain(briefly(expected)), text);
      }
    }),
    { numRuns: 3000 },
  );
});

/** Tables by name: each format has objects of its own. */
function plain(found: object): unknown {
  return JSON.parse(JSON.stringify(found, (key, one) => (key === 'mapping' ? undefined : one)));
}

test('a template reads further messages of its table by itself, and leaves those of another form alone', () => {
  const batch = { topic: 't', partition: 0, epoch: 0, records: [] } as unknown as RecordBatch;
  const shape = new TableShape(tables().lookup('shop', 'orders') as RoutedTable);
  const templates = new CanalTemplates(100);
  const out = new ParsedChanges(batch);
  const begin = (offset: number) => out.begin({ offset, timestampMs: 1, key: null, value: null });
  const bytesOf = (fields: object) => Buffer.from(JSON.stringify(canalMessage({ ...fields })));

  begin(0);
  const first = bytesOf({});
  const record = readCanalRecord(first);
  assert.ok('type' in record);
  const plan = readRows(record, shape, out, { topic: 't', partition: 0, maxRows: 100, hashedPartitions: () => 1 });
  assert.ok(plan);
  assert.equal(templates.read(first, out), false, 'nothing is known yet');
  templates.learn(first, record, plan, shape);

  const read = (fields: object): string[] | null => {
    begin(out.changes.length);
    const before = out.changes.length;
    const isRead = templates.read(bytesOf(fields), out);
    const documents = out.changes.slice(before).map(({ document, op }) => `${op} ${document}`);
    assert.ok(isRead || documents.length === 0, 'what is left alone leaves nothing behind');
    return isRead ? documents : null;
  };
  const two = [
    { id: '2', note: 'b' },
    { id: '3', note: null },
  ];
  assert.deepEqual(read({ id: 77, es: 1, ts: 2, data: two }), [
    'upsert {"id":2,"note":"b"}',
    'upsert {"id":3,"note":null}',
  ]);
  assert.deepEqual(read({ type: 'DELETE', data: [{ id: '2', note: 'say "b"\n' }] }), [
    'delete {"id":2,"note":"say \\"b\\"\\n"}',
  ]);
  assert.deepEqual(read({ type: 'UPDATE', old: [{ note: 'a' }, {}], data: two }), [
    'upsert {"id":2,"note":"b"}',
    'upsert {"id":3,"note":null}',
  ]);
  assert.equal(read({ type: 'UPDATE', old: [{ id: '1' }, {}], data: two }), null, 'the key may have changed');
  assert.equal(read({ type: 'UPDATE', old: [{ note: 'a' }], data: two }), null, 'old does not line up');
  assert.equal(read({ data: [{ id: 'x', note: '' }] }), null, 'the value is not of its type');
  assert.equal(read({ data: [{ id: null, note: '' }] }), null, 'the key is NULL');
  assert.equal(read({ data: [{ id: '1', note: '\ufffd' }] }), null, 'the text is damaged');
  assert.equal(read({ data: [...two, { id: '4' }] }), null, 'a row lacks a column');
  assert.equal(read({ mysqlType: { id: 'int(11)', note: 'text' } }), null, 'the table was altered');
  assert.equal(read({ sql: 'x' }), null, 'a field holds something else');
  assert.equal(
    read({ data: Array.from({ length: 101 }, (_, id) => ({ id: `${id}`, note: '' })) }),
    null,
    'too many rows',
  );
  shape.forget();
  assert.equal(read({ data: two }), null, 'after a DDL the columns are not known');
});
