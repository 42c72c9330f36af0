import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CodecOptions, columnCodec } from '../../src/formats/column-codec.ts';
import { columnType } from '../../src/formats/mysql-types.ts';

const TYPES = [
  ...['tinyint(1)', 'int(11)', 'bigint unsigned', 'decimal(10,2)', 'float', 'double', 'bit(1)', 'bit(64)', 'year(4)'],
  ...['date', 'datetime(3)', 'timestamp(6)', 'time', 'char(3)', 'varchar(20)', 'longtext', 'json', 'binary(4)', 'blob'],
  ...["enum('a','')", "set('a','b')", 'enum', 'set', 'point', 'uuid', ''],
];

test('every text becomes one line of valid JSON in every type, or is refused', () => {
  const tokens = fc.constantFrom(
    '-',
    '+',
    '0',
    '1',
    '.',
    'e5',
    'E+',
    ':',
    ' ',
    'NaN',
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    '\n',
    '\r',
    'null',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(tokens, { maxLength: 8 }).map((parts) => parts.join('')),
    fc.json(),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString().slice(0, 19).replace('T', ' ')),
    fc.double().map(String),
  );
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), text, fc.boolean(), (type, value, isShownAsBytes) => {
      const json = codecOf(type, { isShownAsBytes }).json(value);
      if (json === undefined) return;
      assert.doesNotThrow(() => JSON.parse(json), `${type}: ${JSON.stringify(value)} became ${json}`);
      assert.doesNotMatch(json, /[\r\n]/);
    }),
    { numRuns: 2000 },
  );
});

test('integers of any width are copied digit for digit', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), fc.nat({ max: 3 }), (value, zeros) => {
      const text = `${value < 0n ? '-' : ''}${'0'.repeat(zeros)}${value < 0n ? -value : value}`;
      for (const type of ['bigint(20) unsigned', 'int(8) unsigned zerofill', 'bit(64)']) {
        assert.equal(codecOf(type).json(text), String(value));
        assert.equal(codecOf(type).keyPart(text), String(value));
      }
    }),
  );
});

test('decimals keep every digit and always show the declared scale', () => {
  const digits = fc.bigInt({ min: -(10n ** 64n), max: 10n ** 64n });
  fc.assert(
    fc.property(digits, fc.nat({ max: 30 }), (unscaled, scale) => {
      const text = decimalText(unscaled, scale);
      // Canal drops zeros at the end when the value is whole: 0.0 for zero, 1.0 for 1.0000.
      const sent = scale > 0 ? text.replace(/\.0+$/, '.0') : text;
      const type = `decimal(65,${scale})`;
      assert.equal(codecOf(type).json(sent), `"${text}"`);
      assert.equal(codecOf(type, { decimals: 'number' }).json(sent), text);
      assert.equal(codecOf(type).keyPart(sent), codecOf(type).keyPart(text));
    }),
  );
  assert.equal(codecOf('decimal').json('1.50'), '"1.50"');
  assert.equal(codecOf('decimal(10,4)').json('0.0'), '"0.0000"');
  assert.equal(codecOf('decimal(10,4)').json('-0.0'), '"0.0000"');
});

test('floats stay the number they were', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = String(value).replace('e', 'E');
      assert.ok(Number(codecOf('double').json(text)) === value);
    }),
  );
  for (const [text, json] of Object.entries({
    '1.0E10': '1.0E10',
    '.5': '0.5',
    '007.': '7',
    '-0.0': '-0.0',
    '+1e5': '1E5',
  })) {
    assert.equal(codecOf('float').json(text), json);
  }
  assert.equal(codecOf('double').json('Infinity'), '"Infinity"');
  assert.equal(codecOf('double').json('1e'), undefined);
});

test('each type has its JSON form', () => {
  const cases: [type: string, text: string, json: string | undefined][] = [
    ['date', '2024-02-29', '"2024-02-29"'],
    ['date', '2023-02-29', 'null'],
    ['date', '0000-00-00', 'null'],
    ['date', '1', undefined],
    ['datetime(3)', '2024-02-29 23:59:59.120', '"2024-02-29T23:59:59.120Z"'],
    ['datetime', '2024-00-15 00:00:00', 'null'],
    ['datetime', '1', undefined],
    ['timestamp(6)', '0000-00-00 00:00:00.000000', 'null'],
    ['time(3)', '-838:59:59.000', '"-838:59:59.000"'],
    ['year(4)', '0000', '0'],
    ['bit(1)', '1', 'true'],
    ['bit(8)', '128', '128'],
    ['tinyint(1)', '2', '2'],
    ["enum('-1','1','2')", '2', '"1"'],
    ["enum('-1','1','2')", '0', '""'],
    ["enum('a','b')", '3', undefined],
    ["enum('a','b')", 'a', undefined],
    ['enum', '2', '"2"'],
    ["set('a','b','c')", '5', '["a","c"]'],
    ["set('a','b','c')", '0', '[]'],
    ["set('a','b','c')", '8', undefined],
    ['json', '{"b":12345678901234567890,"a":1.50}', '{"b":12345678901234567890,"a":1.50}'],
    ['json', '{\n "a":\r\n1}', '{  "a": 1}'],
    ['json', '{"a":', '"{\\"a\\":"'],
    ['json', 'null', 'null'],
    ['json', "JSON_REPLACE(doc, '$.a', 1)", undefined],
    ['binary(4)', '\x01', '"AQAAAA=="'],
    ['varbinary(4)', '\xff\x00', '"/wA="'],
    ['blob', '€', undefined],
    ['int(11)', 'stoneware', undefined],
    ['uuid', '\ufffd', '"\ufffd"'],
  ];
  for (const [type, text, json] of cases) assert.equal(codecOf(type).json(text), json, `${type} ${text}`);
  assert.equal(codecOf('tinyint(1)', { booleans: 'boolean' }).json('2'), 'true');
});

test('a SET of 64 labels keeps its highest bit', () => {
  const labels = Array.from({ length: 64 }, (_, place) => `l${place}`);
  const type = `set(${labels.map((label) => `'${label}'`).join(',')})`;
  assert.equal(codecOf(type).json('9223372036854775809'), '["l0","l63"]');
});

test('bytes survive base64, and text shown as bytes is text again', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string({ unit: 'binary' }), (bytes, text) => {
      const shown = Buffer.from(bytes).toString('latin1');
      assert.deepEqual(Buffer.from(JSON.parse(codecOf('blob').json(shown) as string), 'base64'), Buffer.from(bytes));
      const asBytes = Buffer.from(text).toString('latin1');
      assert.equal(codecOf('TEXT(500)', { isShownAsBytes: true }).json(asBytes), JSON.stringify(text));
    }),
  );
  assert.equal(codecOf('longtext', { isShownAsBytes: true }).json('caf\xe9'), '"café"', 'no UTF-8: left alone');
  assert.equal(codecOf('longtext').json('Ã©'), '"Ã©"', 'not shown as bytes: left alone');
});

test('JSON nested deeper than MySQL allows is kept as text', () => {
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
  assert.equal(codecOf('json').json(deep), JSON.stringify(deep));
  assert.equal(codecOf('json').json('[["]"]]'), '[["]"]]');
});

test('TIMESTAMP is the instant that the clock of Canal showed', () => {
  const berlin = codecOf('timestamp(6)', { canalZone: 'Europe/Berlin' });
  const cases = {
    '2024-07-01 12:00:00.000001': '2024-07-01T10:00:00.000001Z',
    '2024-01-01 00:30:00.000000': '2023-12-31T23:30:00.000000Z',
    '2024-03-31 01:59:59.000000': '2024-03-31T00:59:59.000000Z',
    '2024-03-31 03:00:00.000000': '2024-03-31T01:00:00.000000Z',
    '2024-10-27 02:30:00.000000': '2024-10-27T00:30:00.000000Z',
    '2024-10-27 03:00:00.000000': '2024-10-27T02:00:00.000000Z',
    '2024-03-31 02:30:00.000000': '2024-03-31T01:30:00.000000Z',
  };
  for (const [text, instant] of Object.entries(cases)) assert.equal(berlin.json(text), `"${instant}"`, text);
  const zones = fc.constantFrom('Asia/Shanghai', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC');
  const seconds = fc.integer({ min: 1, max: 2_147_483_647 });
  fc.assert(
    fc.property(zones, seconds, (timeZone, second) => {
      const instant = new Date(second * 1000);
      // The Swedish way to write a time is MySQL's; the clock shows some times twice, then the first is meant.
      const shown = instant.toLocaleString('sv-SE', { timeZone });
      const back = JSON.parse(codecOf('timestamp', { canalZone: timeZone }).json(shown) as string);
      const isSameReading = new Date(back).toLocaleString('sv-SE', { timeZone }) === shown;
      assert.ok(isSameReading && Date.parse(back) <= instant.getTime(), `${shown} in ${timeZone}`);
    }),
  );
});

test('key parts are the same for the same value and no other', () => {
  assert.equal(codecOf('decimal(20,6)').keyPart('0.0'), '0');
  assert.equal(codecOf('decimal(20,6)').keyPart('-1.500000'), '-1.5');
  assert.equal(codecOf('datetime(6)').keyPart('2026-01-01 00:00:00.000001'), '2026-01-01%2000%3A00%3A00.000001');
  assert.equal(codecOf('datetime(6)').keyPart('2026-01-01 00:00:00.000000'), '2026-01-01%2000%3A00%3A00');
  assert.equal(codecOf('binary(4)').keyPart('\x01'), codecOf('binary(4)').keyPart('\x01\0\0\0'));
  assert.equal(codecOf('varbinary(4)').keyPart(''), '%_');
  assert.equal(codecOf('int(8) zerofill').keyPart('00000042'), '42');
  assert.equal(codecOf('int(11)').keyPart('1.0'), undefined);
  assert.equal(codecOf('double').keyPart('-0.0'), '0');
  assert.equal(codecOf("enum('a','b')").keyPart('2'), 'b');
  const odd = ['', '~0', '%~0', '0'].map((label) => `'${label}'`).join(',');
  const parts = ['0', '1', '2', '3', '4'].map((index) => codecOf(`enum(${odd})`).keyPart(index));
  assert.equal(new Set(parts).size, 5);
});

function codecOf(type: string, options: Partial<CodecOptions> = {}) {
  const defaults: CodecOptions = { decimals: 'string', booleans: 'number', canalZone: 'UTC', isShownAsBytes: false };
  return columnCodec(columnType(type), { ...defaults, ...options });
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return unscaled < 0n ? `-${text}` : text;
}
