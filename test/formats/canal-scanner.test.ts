import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CanalScanner, type ScannedColumn, type ScannedParts } from '../../src/formats/canal-scanner.ts';
import { ENDS } from '../../src/formats/canal-template.ts';
import { type ColumnCodec, columnCodec } from '../../src/formats/column-codec.ts';
import { columnType } from '../../src/formats/mysql-types.ts';
import { canalMessage } from './canal-message.ts';

const OPTIONS = { decimals: 'string', booleans: 'number', canalZone: 'UTC', isShownAsBytes: false } as const;
const TYPES = ['int(11)', 'bigint(20) unsigned', 'year(4)', 'decimal(12,2)', 'decimal(20,6)', 'decimal(9,0)', 'date']
  .concat(['datetime', 'datetime(6)', 'timestamp', 'varchar(40)', 'text', 'something else'])
  .concat(["enum('a','b')", 'double', 'json', 'time', 'blob', 'bit(8)']);
const REST = `],"es":1,"gtid":"","id":1,"old":null,"ts":1`;

/** What all messages of these columns have in common, with hardly anything around the rows. */
function partsOf(columns: readonly ScannedColumn[]): ScannedParts {
  const texts = { afterData: '],"es":', beforeGtid: ',"gtid":"', beforeId: '","id":', beforeOld: ',"old":' };
  return { columns, keyLabels: [], head: '{"data":[{', ...texts, afterOld: ',"ts":', ends: ENDS };
}

function messageOf(rows: readonly string[]): Buffer {
  return Buffer.from(`{"data":[${rows.map((row) => `{${row}}`).join(',')}${REST}${ENDS[0]}`);
}

/** The value of a message's only column as it was copied; null when it was left to its codec. */
function copyOf({ copy }: ColumnCodec, scanner: CanalScanner, text: string): string | null {
  const address = scanner.add(partsOf([{ label: '"c":', prefix: '"c":', copy, keyPlace: -1 }]));
  assert.ok(address !== null);
  scanner.load(messageOf([`"c":"${text}"`]));
  assert.equal(scanner.scan(address, 1), 'INSERT');
  const [start, end, gaps] = scanner.words.subarray(scanner.firstRow);
  return gaps === 0 ? scanner.text((start as number) + 5, (end as number) - 1) : null;
}

const digits = (length: number) => fc.string({ unit: fc.constantFrom('0', '1', '2', '9'), maxLength: length });
const pad = (number: number, length: number) => String(number).padStart(length, '0');
const date = fc
  .tuple(
    fc.constantFrom(0, 1, 100, 400, 1900, 1999, 2000, 2024, 9999),
    fc.integer({ min: 0, max: 13 }),
    fc.integer({ min: 0, max: 32 }),
  )
  .map(([year, month, day]) => `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`);
const time = fc
  .tuple(fc.integer({ min: 0, max: 25 }), fc.integer({ min: 0, max: 61 }), fc.integer({ min: 0, max: 61 }))
  .map((parts) => parts.map((part) => pad(part, 2)).join(':'));
/** A text of which one character is another. */
const touched = (text: fc.Arbitrary<string>) =>
  fc
    .tuple(text, fc.nat(30), fc.constantFrom('', '/', ':', '-', ' ', 'x', '0'))
    .map(([one, at, other]) => one.slice(0, at) + other + one.slice(at + 1));
const moment = fc
  .tuple(date, fc.constantFrom(' ', ' ', 'T', '  '), time, fc.constantFrom('', '.'), digits(10))
  .map((parts) => parts.join(''));
/** Texts that are nearly of some type, and any other without the bytes that JSON would escape. */
const plainText = fc
  .oneof(
    fc.tuple(fc.constantFrom('', '-', '+', '--'), digits(40)).map((parts) => parts.join('')),
    fc
      .tuple(fc.constantFrom('', '-'), digits(3), fc.constantFrom('.', '', '..'), digits(8))
      .map((parts) => parts.join('')),
    fc.constantFrom('-0', '-07', '-0.00', '-0.000000', '00.50', '0.00'),
    date,
    moment,
    touched(date),
    touched(moment),
    fc.string({ unit: 'binary', maxLength: 200 }),
  )
  .filter((text) => !/["\\]|[^\x20-\u{10ffff}]|\p{Cs}/u.test(text));

test('what a scan copies it writes as the codec would', () => {
  const scanner = new CanalScanner();
  const taken = new Set<string>();
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), fc.boolean(), plainText, (name, areNumbers, text) => {
      const codec = columnCodec(columnType(name), { ...OPTIONS, decimals: areNumbers ? 'number' : 'string' });
      const copied = copyOf(codec, scanner, text);
      if (copied === null) return;
      taken.add(name);
      assert.equal(copied, codec.json(text));
      if (codec.isKeyWhenCopied) assert.equal(codec.keyPart(text), text);
    }),
    { numRuns: 30_000 },
  );
  const withCopy = TYPES.filter((name) => columnCodec(columnType(name), OPTIONS).copy !== null);
  assert.ok(withCopy.length >= 13, withCopy.join());
  assert.deepEqual([...taken].sort(), withCopy.sort(), 'each copy took something');
});

test('nearly every value of the common types is copied', () => {
  const scanner = new CanalScanner();
  const values = {
    'int(11)': ['0', '7', '-15', '4294967295'],
    'decimal(12,2)': ['0.00', '0.50', '12.30', '-9.99'],
    date: ['2026-01-31', '2024-02-29', '2000-02-29', '2026-09-30', '2026-08-31'],
    datetime: ['2026-01-05 08:00:00'],
    'datetime(6)': ['2026-01-05 08:00:00.123456'],
    timestamp: ['2026-12-31 23:59:59'],
    'varchar(20)': ['', 'x', '北京 émail', 'a'.repeat(500)],
  };
  for (const [name, texts] of Object.entries(values)) {
    const codec = columnCodec(columnType(name), OPTIONS);
    for (const text of texts) assert.equal(copyOf(codec, scanner, text), codec.json(text), `${name}: ${text}`);
  }
});

test('U+FFFD is seen wherever it stands, and text that is no UTF-8 is not sound', () => {
  const scanner = new CanalScanner();
  const text = { kind: 'text', scale: 0 } as const;
  const address = scanner.add(partsOf([{ label: '"c":', prefix: '"c":', copy: text, keyPlace: -1 }])) as number;
  const isSound = (value: Buffer): boolean => {
    scanner.load(value);
    assert.equal(scanner.scan(address, 1), 'INSERT');
    return scanner.isSound(value);
  };
  for (let place = 0; place < 40; place += 1) {
    const around = (inner: string): Buffer => messageOf([`"c":"${'a'.repeat(place)}${inner}b"`]);
    assert.ok(isSound(around('')));
    assert.ok(isSound(around('é')));
    // What begins with the same byte, or the same two.
    assert.ok(isSound(around('\uf000\uffe5\uffff')));
    assert.ok(!isSound(around('\ufffd')), `after ${place}`);
    assert.ok(!isSound(around('\uf000\ufffd')), `after ${place}`);
    const broken = around('?');
    broken[broken.indexOf('?')] = 0xff;
    assert.ok(!isSound(broken));
  }
});

test('a message for which there is no room is left alone, the longest and the widest', () => {
  const scanner = new CanalScanner();
  const copy = { kind: 'text', scale: 0 } as const;
  const one = scanner.add(partsOf([{ label: '"c":', prefix: '"c":', copy, keyPlace: -1 }])) as number;
  const wide = scanner.add(
    partsOf([{ label: '"c":', prefix: `"${'x'.repeat(1000)}":`, copy, keyPlace: -1 }]),
  ) as number;
  const gaps = scanner.add(partsOf([{ label: '"c":', prefix: '"c":', copy: null, keyPlace: -1 }])) as number;
  const scan = (template: number, rows: number, value = ''): string | null => {
    const message = messageOf(Array.from({ length: rows }, () => `"c":"${value}"`));
    assert.ok(message.length <= scanner.maxBytes);
    scanner.load(message);
    return scanner.scan(template, 1_000_000);
  };
  const longest = scanner.maxBytes - messageOf(['"c":""']).length;
  assert.equal(scan(one, 1, 'v'.repeat(longest)), 'INSERT');
  const [start, end] = scanner.words.subarray(scanner.firstRow);
  assert.equal(scanner.text(start as number, end as number), `{"c":"${'v'.repeat(longest)}"}`);
  assert.equal(scan(one, 80_000), 'INSERT');
  assert.equal(scanner.rows, 80_000);
  assert.equal(scan(one, 90_000), null, 'words of rows');
  assert.equal(scan(gaps, 30_000), 'INSERT');
  assert.equal(scan(gaps, 40_000), null, 'words of gaps');
  assert.equal(scan(wide, 3_000), 'INSERT');
  assert.equal(scan(wide, 3_200), null, 'bytes of documents');
  assert.equal(scan(one, 1, 'still'), 'INSERT');
});

test('a template for which there is no room makes all others forgotten, unless it is too wide for all there is', () => {
  const scanner = new CanalScanner(1000);
  const copy = { kind: 'text', scale: 0 } as const;
  const add = (name: string) => scanner.add(partsOf([{ label: `"${name}":`, prefix: '"c":', copy, keyPlace: -1 }]));
  const first = add('c');
  assert.ok(first !== null && add('d') !== null);
  assert.equal(scanner.generation, 0);
  assert.equal(add('e'), first, 'the room of the first');
  assert.equal(scanner.generation, 1);
  scanner.load(messageOf(['"e":"1"']));
  assert.equal(scanner.scan(first, 1), 'INSERT');
  assert.equal(add('x'.repeat(1000)), null);
  const before = scanner.generation;
  assert.equal(add('x'.repeat(1000)), null);
  assert.equal(scanner.generation, before, 'nobody is there to be forgotten');
});

test('hashes of names say which table of which database a message is about, whatever its rows hold', () => {
  const scanner = new CanalScanner();
  const name = fc.oneof(fc.constantFrom('a', 'ab', 'b', 'orders', 'orders_1', '北京'), fc.string({ maxLength: 64 }));
  const text = fc.oneof(fc.string({ maxLength: 40 }), fc.constantFrom('],"database":"x', ']', '],', '","ts":', '\\'));
  const place = fc.record({ database: name, table: name, note: text, rows: fc.integer({ min: 1, max: 3 }) });
  const hashesOf = ({
    database,
    note,
    rows,
    table,
  }: {
    database: string;
    note: string;
    rows: number;
    table: string;
  }) => {
    const data = Array.from({ length: rows }, () => ({ id: '1', note }));
    scanner.load(Buffer.from(JSON.stringify(canalMessage({ database, table, data }))));
    return { table: scanner.tableHash, name: scanner.nameHash };
  };
  fc.assert(
    fc.property(place, place, (one, other) => {
      const [found, again, moved] = [one, { ...other, database: one.database, table: one.table }, other].map(hashesOf);
      assert.deepEqual(again, found);
      const isSame = one.table === other.table;
      // Of a name with escapes only the end is looked at, or the beginning.
      if (JSON.stringify([one.table, other.table, one.database, other.database]).includes('\\')) return;
      assert.equal(moved?.table === found?.table, isSame);
      assert.equal(moved?.name === found?.name, isSame && one.database === other.database);
    }),
    { numRuns: 2000 },
  );
});

test('whatever a message is, looking for its names ends, and finds none in front of it', () => {
  const scanner = new CanalScanner();
  const whole = Buffer.from(JSON.stringify(canalMessage({})));
  for (let length = 0; length <= whole.length; length += 1) {
    scanner.load(whole.subarray(0, length));
    assert.ok(Number.isInteger(scanner.tableHash) && Number.isInteger(scanner.nameHash));
  }
  for (const text of ['', '1', '1'.repeat(40), '"'.repeat(40), ']'.repeat(40)]) {
    scanner.load(Buffer.from(text));
    assert.deepEqual([scanner.tableHash, scanner.nameHash], [0, 0], text);
  }
});
