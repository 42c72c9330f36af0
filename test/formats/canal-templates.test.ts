import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canalJson } from '../../src/formats/canal-json.ts';
import { type CanalRecord, readCanalRecord } from '../../src/formats/canal-record.ts';
import { readRows } from '../../src/formats/canal-rows.ts';
import { CanalScanner } from '../../src/formats/canal-scanner.ts';
import { CanalTemplates } from '../../src/formats/canal-templates.ts';
import { ParsedChanges } from '../../src/formats/parsed-changes.ts';
import type { RowPlan } from '../../src/formats/row-plan.ts';
import { TableShape } from '../../src/formats/table-shape.ts';
import type { RecordBatch } from '../../src/pipeline/change.ts';
import { textOf } from '../../src/pipeline/json-document.ts';
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

/** A message without old values: templates look at nothing in those, nor in a GTID set, but where they end. */
const whole = fc
  .record({
    table: fc.constantFrom(...TABLES),
    type: fc.constantFrom('INSERT', 'DELETE'),
    row: fc.array(value, { minLength: 5, maxLength: 5 }),
  })
  .map(({ row, table: { database, mysqlType, pkNames }, type }) => {
    const names = Object.keys(mysqlType);
    const data = [Object.fromEntries(names.map((name, at) => [name, row[at] ?? '']))];
    const sqlType = Object.fromEntries(names.map((name) => [name, 12]));
    return Buffer.from(JSON.stringify(canalMessage({ database, mysqlType, pkNames, type, data, sqlType, gtid: '' })));
  });
/** Behind a message it is JSON as well, and no template ends with one. */
const SPACE = Buffer.from(' ');
const wound = fc.record({
  place: fc.nat(),
  removed: fc.integer({ min: 0, max: 3 }),
  added: fc.oneof(
    fc.constantFrom(
      '"',
      '\\',
      ',',
      ':',
      '{',
      '}',
      '[',
      ']',
      '0',
      '-',
      ' ',
      '\n',
      '\u0000',
      'null',
      '\\u0041',
      '\ufffd',
      'é',
    ),
    fc.string({ maxLength: 3 }),
  ),
});

test('a message that is damaged anywhere gives what a full parse makes of it', () => {
  let differing = 0;
  fc.assert(
    fc.property(
      fc.array(whole, { minLength: 1, maxLength: 3 }),
      whole,
      wound,
      (learned, sound, { added, place, removed }) => {
        const at = place % sound.length;
        const gtid = sound.indexOf(',"gtid":"') + 9;
        if (at <= gtid && at + removed >= gtid) return;
        const value = Buffer.concat([sound.subarray(0, at), Buffer.from(added), sound.subarray(at + removed)]);
        const byTemplate = canalJson({ tables: tables() });
        const inFull = canalJson({ tables: tables() });
        const at9 = { offset: 9, timestampMs: 1 };
        for (const one of [...learned, sound]) {
          parseValue(byTemplate, one);
          parseValue(inFull, Buffer.concat([one, SPACE]));
        }
        const [found, expected] = [value, Buffer.concat([value, SPACE])].map((bytes, which) =>
          plain(briefly(parseValue(which === 0 ? byTemplate : inFull, bytes, at9))),
        );
        assert.deepEqual(found, expected, value.toString());
        if (!value.equals(sound)) differing += 1;
      },
    ),
    { numRuns: 5000 },
  );
  assert.ok(differing > 4000, `${differing} were damaged`);
});

/** Reads messages of tables by template, and learns those that no template fits. */
function templateReader(scanner: CanalScanner) {
  const batch = { topic: 't', partition: 0, epoch: 0, records: [] } as unknown as RecordBatch;
  const routes = tables();
  const templates = new CanalTemplates(100, scanner);
  const out = new ParsedChanges(batch);
  const shapes = new Map<string, TableShape>();
  let learned = 0;
  /** Reads a row; how many messages it has learned so far. */
  const read = (database: string, table: string, id: number): number => {
    const bytes = Buffer.from(JSON.stringify(canalMessage({ database, table, data: [{ id: `${id}`, note: table }] })));
    out.begin({ offset: id, timestampMs: 1, key: null, value: null });
    if (templates.read(bytes, out)) return learned;
    const name = `${database}.${table}`;
    const shape = shapes.get(name) ?? new TableShape(routes.lookup(database, table) as RoutedTable);
    shapes.set(name, shape);
    const record = readCanalRecord(bytes) as CanalRecord;
    const options = { topic: 't', partition: 0, maxRows: 100, hashedPartitions: () => 1 };
    templates.learn(bytes, record, readRows(record, shape, out, options) as RowPlan, shape);
    learned += 1;
    return learned;
  };
  return { out, read };
}

test('templates that have no room beside each other are learned anew, and tables of two readers do not disturb each other', () => {
  const scanner = new CanalScanner(3000);
  const [one, other] = [templateReader(scanner), templateReader(scanner)];
  assert.equal(one.read('shop', 'a', 1), 1);
  assert.equal(one.read('shop', 'a', 2), 1, 'by template');
  assert.equal(other.read('archive', 'a', 1), 1);
  assert.equal(one.read('shop', 'a', 3), 1, 'there is room for both');
  assert.equal(other.read('archive', 'a', 2), 1);
  for (const name of 'bcdefgh') other.read('archive', name, 1);
  assert.ok(scanner.generation > 0);
  assert.equal(one.read('shop', 'a', 4), 2, 'it was forgotten');
  assert.equal(one.read('shop', 'a', 5), 2, 'by template');
  for (const { document, key, table } of [...one.out.changes, ...other.out.changes])
    assert.equal(textOf(document), `{"id":${key},"note":"${table.name}"}`);
});

test('tables of one name in many databases are each read by template, in whatever order they come', () => {
  const { out, read } = templateReader(new CanalScanner());
  const databases = Array.from({ length: 40 }, (_, at) => `shop_${at}`);
  for (const database of databases) read(database, 'orders', 1);
  for (const round of [2, 3]) for (const database of databases) assert.equal(read(database, 'orders', round), 40);
  assert.deepEqual(
    out.changes.map(({ table }) => table.database),
    [...databases, ...databases, ...databases],
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
    const documents = out.changes.slice(before).map(({ document, op }) => `${op} ${textOf(document)}`);
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
