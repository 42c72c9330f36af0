import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { splitCredentials, tlsOptions, urlWithCredentials } from '../../src/config/connections.ts';
import { describeConfig } from '../../src/config/describe.ts';
import { type Config, loadConfig } from '../../src/config/load.ts';
import { Secret } from '../../src/config/secret.ts';
import { SluiceError } from '../../src/pipeline/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-secrets-'));
after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const SOURCE = { brokers: ['broker:9092'], topics: ['shop'] };
const load = (values: Record<string, unknown>, environment: Record<string, string> = {}): Config =>
  loadConfig({ values: { source: SOURCE, ...values }, environment });
const lineOf = (values: Record<string, unknown>, environment: Record<string, string> = {}): string => {
  try {
    load(values, environment);
  } catch (error) {
    assert.ok(error instanceof SluiceError);
    return error.line;
  }
  return assert.fail('the configuration was accepted');
};

test('a secret comes from the file its variable names, less one line break', () => {
  for (const [text, expected] of [
    ['pw', 'pw'],
    ['pw\n', 'pw'],
    ['pw\r\n', 'pw'],
    ['pw\n\n', 'pw\n'],
    [' pw ', ' pw '],
  ] as const) {
    const { journal } = load(
      { journal: { url: 'mysql://db/x' } },
      { SLUICE_JOURNAL_PASSWORD_FILE: fileOf('pw', text) },
    );
    assert.equal(journal.type === 'mysql' && journal.password?.reveal(), expected);
  }
});

test('a secret set both ways is refused, as are files that are empty or away', () => {
  const url = { journal: { url: 'mysql://db/x' } };
  const both = { SLUICE_JOURNAL_PASSWORD: 'a', SLUICE_JOURNAL_PASSWORD_FILE: fileOf('both', 'b') };
  assert.match(
    lineOf(url, both),
    /journal\.password is set by both SLUICE_JOURNAL_PASSWORD and SLUICE_JOURNAL_PASSWORD_FILE/,
  );
  assert.match(lineOf(url, { SLUICE_JOURNAL_PASSWORD_FILE: fileOf('empty', '\n') }), /names an empty file/);
  const mistaken = lineOf(url, { SLUICE_JOURNAL_PASSWORD_FILE: 'geheim' });
  assert.match(mistaken, /SLUICE_JOURNAL_PASSWORD_FILE names a file that cannot be read \(ENOENT\)/);
  assert.doesNotMatch(mistaken, /geheim/);
});

test('only secrets can come from a file', () => {
  assert.match(lineOf({}, { SLUICE_WINDOW_MS_FILE: 'x' }), /SLUICE_WINDOW_MS_FILE is not a known variable/);
});

test('credentials inside a URL are moved out of it', () => {
  const { journal, origins } = load({ journal: { url: 'mysql://root:p%40ss@db:3306/x' } });
  assert.ok(journal.type === 'mysql');
  assert.equal(journal.url, 'mysql://db:3306/x');
  assert.equal(journal.username, 'root');
  assert.equal(journal.password?.reveal(), 'p@ss');
  assert.equal(origins['journal.password'], 'journal.url');
  assert.match(
    lineOf({ journal: { url: 'mysql://u:geheim@db/x', password: 'geheim' } }),
    /journal\.password is set both by itself/,
  );
});

test('credentials put back into a URL are those that were taken out', () => {
  for (const password of ['plain', 'p@ss:/w#rd?', '100%', 'ümlaut 漢']) {
    const full = urlWithCredentials('mysql://db:3306/x', 'ro:ot', new Secret(password));
    assert.deepEqual(splitCredentials(full), { url: 'mysql://db:3306/x', username: 'ro:ot', password });
  }
  assert.equal(splitCredentials('mysql://db/x'), null);
  assert.equal(splitCredentials('no url'), null);
});

test('no error and no description holds a secret', () => {
  const secretPlaces: Record<string, unknown>[] = [
    { journal: { url: 'mysql:geheim' } },
    { journal: { url: 'mysql://root:geheim@db:port/x' } },
    { journal: { url: 'mysql://db/x', password: ['geheim'] } },
    { journal: { url: 'mysql://db/x', pasword: 'geheim' } },
    { journal: { url: 'mysql://db/x', shards: { urls: ['mysql://u:geheim@db/x'] } } },
    { index: { nodes: ['https://u:ge/heim:geheim@es:9200'] } },
    { index: { nodes: 'https://u:geheim@es:9200' } },
    { index: { nodes: ['http://es:1'], auth: 'geheim' } },
    { index: { nodes: ['http://es:1'], auth: { apiKey: { id: 'geheim' } } } },
    { geheim: 'geheim', password: 'geheim' },
  ];
  for (const values of secretPlaces) {
    assert.doesNotMatch(lineOf(values).replace('geheim is not a known key', ''), /geheim/, inspect(values));
  }
  const config = load({
    source: { ...SOURCE, sasl: { mechanism: 'plain', username: 'u', password: 'geheim' } },
    buffer: { url: 'redis://:geheim@r:6379' },
    journal: { url: 'mysql://root:geheim@db/x' },
    index: { nodes: ['http://es:9200'], auth: { apiKey: 'geheim' } },
  });
  assert.doesNotMatch(inspect(config, { depth: 9 }) + JSON.stringify(config), /geheim/);
  const lines = describeConfig(config);
  assert.doesNotMatch(JSON.stringify(lines), /geheim/);
  assert.equal(lines.filter(({ value }) => value === '[redacted]').length, 4);
});

test('a password that would cross the network in plain text is a warning', () => {
  const plain = load({
    source: { ...SOURCE, sasl: { mechanism: 'plain', username: 'u', password: 'p' } },
    buffer: { url: 'redis://:p@r:6379' },
    journal: { url: 'mysql://root:p@db/x' },
    index: { nodes: ['http://es:9200'], auth: { apiKey: 'k' } },
  });
  assert.deepEqual(
    plain.warnings.map((warning) => warning.split(' ')[0]),
    ['source.sasl.password', 'buffer.password', 'journal.password', 'index.auth'],
  );
  const safe = load({
    source: { brokers: ['localhost:9092'], topics: ['t'], sasl: { mechanism: 'plain', username: 'u', password: 'p' } },
    buffer: { url: 'rediss://:p@r:6379' },
    journal: { url: 'mysql://root:p@db/x', tls: true },
    index: { nodes: ['https://es:9200'], auth: { apiKey: 'k' } },
  });
  assert.deepEqual(safe.warnings, []);
});

test('TLS is read from PEM files that must be there', () => {
  const ca = fileOf('ca.pem', 'PEM');
  const { journal } = load({ journal: { url: 'mysql://db/x', tls: { ca, servername: 'db' } } });
  assert.deepEqual(journal.type === 'mysql' && tlsOptions(journal.tls), { ca: 'PEM', servername: 'db' });
  assert.deepEqual(tlsOptions({ enabled: true }), {});
  assert.equal(tlsOptions({ enabled: false }), null);
  assert.equal(tlsOptions(undefined), null);
  assert.match(
    lineOf({ buffer: { url: 'redis://r', tls: { ca: '/nowhere.pem' } } }),
    /buffer\.tls\.ca must be a file that can be read \(ENOENT\)/,
  );
  assert.match(lineOf({ buffer: { url: 'redis://r', tls: { cert: ca } } }), /buffer\.tls needs cert and key together/);
});
