import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LogOptions, serviceLog } from '../../src/cli/log.ts';
import { prettyLine } from '../../src/cli/pretty-line.ts';
import { SluiceError } from '../../src/pipeline/errors.ts';

function recorded(more: Partial<LogOptions> = {}, terminal: { isTTY?: boolean; hasColors?: () => boolean } = {}) {
  const chunks: string[] = [];
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      chunks.push(String(chunk));
      done();
    },
  });
  const subject = serviceLog({ version: '1.2.3', instance: 'pod-1', ...more, stream: Object.assign(sink, terminal) });
  return { ...subject, text: () => chunks.join(''), lines: () => chunks.map((chunk) => JSON.parse(chunk)) };
}

test('a line is one JSON object with time, level, message and who logged it', () => {
  const { lines, log } = recorded();
  log.warn({ component: 'index', code: 'E3001', table: 'shop.orders' }, 'sent again');
  const [line] = lines();
  assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(
    { ...line, time: '' },
    {
      level: 'warn',
      time: '',
      service: 'sluice',
      version: '1.2.3',
      instance: 'pod-1',
      component: 'index',
      code: 'E3001',
      table: 'shop.orders',
      msg: 'sent again',
    },
  );
});

test('levels below the one asked for are not logged', () => {
  const { lines, log } = recorded({ level: 'warn' });
  log.info({}, 'no');
  log.error({}, 'yes');
  assert.deepEqual(
    lines().map(({ msg }) => msg),
    ['yes'],
  );
});

test('a terminal gets lines for people, everybody else JSON, unless the format says otherwise', () => {
  const onTerminal = recorded({}, { isTTY: true, hasColors: () => false });
  onTerminal.log.info({ component: 'index', count: 3 }, 'hello');
  assert.match(onTerminal.text(), /^\d\d:\d\d:\d\d\.\d{3} INFO {2}index: hello count=3\n$/);
  const inColor = recorded({}, { isTTY: true, hasColors: () => true });
  inColor.log.error({}, 'hello');
  assert.ok(inColor.text().includes('\u001b[31mERROR\u001b[39m'));
  const piped = recorded({ format: 'pretty' });
  piped.log.info({}, 'hello');
  assert.match(piped.text(), /INFO {2}hello\n$/);
  const json = recorded({ format: 'json' }, { isTTY: true });
  json.log.info({}, 'hello');
  assert.equal(json.lines().length, 1);
});

test('a line is one line and obeys no terminal, whatever is logged', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (message, value) => {
      const hostile = `${message}\r\n\u001b[2J\u009b31m\u202e`;
      const json = recorded();
      json.log.info({ value: `${value}\n\u001b` }, hostile);
      assert.equal(json.text().indexOf('\n'), json.text().length - 1);
      assert.doesNotMatch(json.text().slice(0, -1), /\p{Cc}/u);
      assert.match(prettyLine(json.text(), false), /^[^\p{Cc}\p{Cf}]*\n$/u);
    }),
  );
});

test('secrets and rows that somebody logs by mistake are redacted', () => {
  const { log, text } = recorded();
  const secret = 'geheim';
  log.info(
    { password: secret, config: { password: secret, apiKey: secret }, change: { document: secret }, url: secret },
    'x',
  );
  assert.doesNotMatch(text(), /geheim/);
  assert.match(text(), /\[redacted\]/);
});

test('of our own errors everything is told, of others type and code', () => {
  const { lines, log } = recorded();
  const remedy = 'Start it';
  log.error({ err: new SluiceError('E4001', 'the store is away', { detail: 'ECONNREFUSED', remedy }) }, 'failed');
  const foreign = Object.assign(new Error('Duplicate entry geheim'), { code: 'ER_DUP_ENTRY', sql: 'INSERT geheim' });
  log.error({ err: foreign }, 'failed');
  const [own, other] = lines();
  assert.deepEqual(own.err, {
    type: 'SluiceError',
    code: 'E4001',
    message: 'the store is away',
    detail: 'ECONNREFUSED',
    remedy,
  });
  assert.deepEqual(other.err, { type: 'Error', code: 'ER_DUP_ENTRY' });
  const verbose = recorded({ level: 'debug' });
  verbose.log.error({ err: new TypeError('x is not a function') }, 'failed');
  assert.match(verbose.lines()[0].err.stack, /TypeError: x is not a function\n/);
});

test('a reader that stalls costs lines, not memory, and is told how many', () => {
  let wake = (): void => undefined;
  const taken: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, done) => {
      taken.push(String(chunk));
      wake = done;
    },
  });
  const { log } = serviceLog({ stream });
  const filler = 'x'.repeat(1000);
  for (let i = 0; i < 5000; i += 1) log.info({ filler }, 'line');
  assert.ok(stream.writableLength < 1.2 * 2 ** 20, `${stream.writableLength} bytes wait`);
  for (let i = 0; i < 5000 && stream.writableLength > 0; i += 1) wake();
  log.info({}, 'again');
  for (let i = 0; i < 10; i += 1) wake();
  assert.ok(taken.some((line) => line.includes('log lines were dropped')));
  assert.ok(taken.at(-1)?.includes('again'));
});

test('a reader that has gone away does not end the service', async () => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  const { close, log } = serviceLog({ stream });
  log.info({}, 'x');
  await close();
  log.info({}, 'y');
  assert.ok(stream.errored);
});

test('files get the same lines as the stream, as JSON', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
  try {
    const file = { path: join(folder, 'sluice.log'), maxBytes: 1 << 20, keepDays: 30, maxTotalBytes: 10 << 20 };
    const { close, log } = recorded({ file, format: 'pretty' });
    log.info({}, 'hello');
    await close();
    assert.equal(JSON.parse(readFileSync(file.path, 'utf8')).msg, 'hello');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
