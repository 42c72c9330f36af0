import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canalJson } from '../../src/formats/canal-json.ts';
import { textOf } from '../../src/pipeline/json-document.ts';
import { tables } from '../../src/pipeline/tables.ts';
import { canalMessage } from './canal-message.ts';
import { parseValue, textsOf } from './replay.ts';

const formatOf = (options: object = {}) => canalJson({ tables: tables(), ...options });
const text = (fields: Readonly<Record<string, unknown>>) => JSON.stringify(canalMessage(fields));
const reasonsOf = (value: string | Buffer | null, options: object = {}) =>
  parseValue(formatOf(options), value).rejected.map(({ reason }) => reason);

test('a record that cannot be read is one letter with its reason, and never an error', () => {
  const bad: [reason: string, value: string | Buffer][] = [
    ['empty-value', ''],
    ['not-json', ' '],
    ['not-json', '{"data":[{"id":"1"'],
    ['not-json', `${text({})} {}`],
    ['not-json', `// comment\n${text({})}`],
    ['not-json', '{"id": NaN}'],
    ['not-json', "{'type':'INSERT'}"],
    ['not-json', '\0\0\0\0\x2a'],
    ['not-an-object', '[]'],
    ['not-an-object', 'null'],
    ['not-an-object', '1'],
    ['not-utf8', Buffer.from('{"type":"caf\xe9"}', 'latin1')],
    ['malformed-record', '{}'],
    ['malformed-record', text({ data: 'x' })],
    ['malformed-record', text({ data: [1] })],
    ['malformed-record', text({ data: [null] })],
    ['malformed-record', text({ type: 'UPDATE', old: [[]] })],
    ['malformed-record', text({ pkNames: [1] })],
    ['malformed-record', text({ mysqlType: [] })],
    ['unknown-type', text({ type: 'UPSERT' })],
    ['no-table', text({ table: '' })],
    ['no-table', text({ database: undefined })],
    ['statement-format', text({ data: null, sql: 'INSERT INTO orders SELECT 1' })],
    ['no-primary-key', text({ pkNames: null })],
    ['no-primary-key', text({ pkNames: [] })],
    ['incomplete-row', text({ pkNames: ['id', 'line'] })],
    ['null-key', text({ data: [{ id: null, note: 'a' }] })],
    ['damaged-key', text({ data: [{ id: '\ufffd', note: 'a' }], mysqlType: { id: 'varchar(9)' } })],
    ['value-mismatch', text({ data: [{ id: '1e400', note: 'a' }] })],
    ['too-deep', text({}).replace('"1"', `${'['.repeat(200_000)}1${']'.repeat(200_000)}`)],
    ['value-mismatch', text({}).replace('"a"', `${'['.repeat(500)}1${']'.repeat(500)}`)],
  ];
  for (const [reason, value] of bad) {
    const { changes, rejected } = parseValue(formatOf(), value, { offset: 41, epoch: 1 });
    assert.deepEqual(
      [changes.length, rejected.map((letter) => letter.reason)],
      [0, [reason]],
      value.toString().slice(0, 80),
    );
    assert.equal(rejected[0]?.version, 2 ** 44 + 42);
    assert.ok(Buffer.byteLength(rejected[0]?.body ?? '') <= 65_536);
    assert.doesNotMatch(rejected[0]?.detail ?? '', /[\r\n]|SELECT/);
  }
});

test('a record that asks nothing is skipped and counted', () => {
  const skipped: [reason: string, value: string | null][] = [
    ['tombstone-record', null],
    ['empty', text({ data: [] })],
    ['unrouted', text({ database: 'mysql', table: 'user' })],
    ['unrouted', text({ table: 'buffer_backup' })],
    ['query-text', text({ type: 'QUERY', data: null })],
    ['ddl', text({ type: 'QUERY', isDdl: 'true', data: null, table: '' })],
    ['ddl', text({ type: 'MADE_UP', isDdl: true, data: null })],
    ['marker', text({ type: 'TIDB_WATERMARK', data: null })],
    ['xa-end', text({ type: 'XACOMMIT', data: null, database: '', table: '' })],
  ];
  for (const [reason, value] of skipped) {
    const { changes, rejected, skipped } = parseValue(formatOf(), value);
    assert.deepEqual([changes, rejected, [...skipped]], [[], [], [[reason, 1]]], reason);
  }
});

test('what differs in form only is read all the same', () => {
  const good = [
    `\ufeff${text({})}`,
    `\r\n ${text({})}\n`,
    text({ type: ' insert ' }),
    text({ isDdl: undefined, gtid: undefined, sqlType: undefined }),
    text({ extra: { deep: [1, 2] }, es: 'soon', ts: -1 }),
  ];
  for (const value of good) {
    const { changes } = parseValue(formatOf(), value);
    assert.deepEqual(
      changes.map(({ document, key }) => [key, textOf(document)]),
      [['1', '{"id":1,"note":"a"}']],
    );
  }
});

test('limits hold before anything is parsed or kept', () => {
  assert.deepEqual(reasonsOf(text({}), { maxRecordBytes: 100 }), ['record-too-large']);
  assert.deepEqual(reasonsOf(text({ data: Array(11).fill({ id: '1' }) }), { maxRows: 10 }), ['too-many-rows']);
  const long = parseValue(formatOf(), `"${'ü'.repeat(60_000)}`).rejected[0]?.body ?? '';
  assert.ok(Buffer.byteLength(long) <= 65_536 && long.length > 30_000 && !long.includes('\ufffd'));
});

test('columns may be named like anything an object inherits', () => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then'];
  const row = `{"id":"7",${names.map((name) => `"${name}":"x"`).join(',')}}`;
  const value = `{"type":"INSERT","database":"shop","table":"orders","pkNames":["id"],"data":[${row},{"id":"8"}]}`;
  const { changes } = parseValue(formatOf(), value);
  assert.deepEqual(textsOf(changes), [row, '{"id":"8"}']);
  const keyed = parseValue(formatOf(), value.replace('["id"]', '["__proto__"]'));
  assert.deepEqual(
    [keyed.changes.map(({ key }) => key), keyed.rejected.map(({ reason }) => reason)],
    [['x'], ['incomplete-row']],
  );
});

test('typed values of other writers are exact', () => {
  const value = `{"database":"shop","table":"t","type":"INSERT","pkNames":["id"],"mysqlType":{"id":"bigint unsigned",
    "d":"decimal(30,2)","ok":"tinyint"},"data":[{"id":18446744073709551615,"d":12345678901234567890.10,"ok":true,"free":9007199254740993,
    "tree":{"n":1.50,"list":[null,false]}}]}`;
  const { changes } = parseValue(formatOf(), value);
  assert.equal(changes[0]?.key, '18446744073709551615');
  assert.deepEqual(textsOf(changes), [
    '{"id":18446744073709551615,"d":"12345678901234567890.10","ok":1,"free":9007199254740993,"tree":{"n":1.50,"list":[null,false]}}',
  ]);
});

test('no value stops the stream: every record is a change, a letter or a skip', () => {
  const noise = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('UPDATE', 'DELETE', 'ALTER', 'RENAME', 'shop', 'orders', ['id'], [{ id: '2' }]),
  );
  const fields = ['data', 'old', 'type', 'database', 'table', 'pkNames', 'mysqlType', 'sqlType', 'sql', 'isDdl'];
  const format = formatOf();
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...fields), noise), fc.uint8Array(), (message, bytes) => {
      for (const value of [text(message), Buffer.from(bytes)]) {
        const { changes, rejected, skipped } = parseValue(format, value);
        assert.ok(changes.length + rejected.length + skipped.size > 0);
        for (const { document } of changes) JSON.parse(textOf(document));
      }
    }),
    { numRuns: 500 },
  );
});
