import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describeConfig } from '../../src/config/describe.ts';
import { keysOfSchema } from '../../src/config/keys.ts';
import { type Config, type LoadOptions, loadConfig } from '../../src/config/load.ts';
import { Secret } from '../../src/config/secret.ts';
import { SluiceError } from '../../src/pipeline/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function fileOf(text: string, name = 'sluice.yaml'): string {
  files += 1;
  const path = join(folder, `${files}-${name}`);
  writeFileSync(path, text);
  return path;
}

const KAFKA = { brokers: ['broker:9092'], topics: ['shop'] };
const load = (values: LoadOptions['values'] = {}, environment: LoadOptions['environment'] = {}): Config =>
  loadConfig({ values: { source: KAFKA, ...values }, environment });

/** The problems of a configuration, one text each. */
function problemsOf(options: LoadOptions): string[] {
  try {
    loadConfig(options);
  } catch (error) {
    assert.ok(error instanceof SluiceError, inspect(error));
    assert.equal(error.code, 'E1001');
    return error.detail.split('; ');
  }
  return [];
}
const problems = (values: LoadOptions['values'] = {}, environment: LoadOptions['environment'] = {}): string[] =>
  problemsOf({ values: { source: KAFKA, ...values }, environment });

test('without servers the embedded adapters are in force, with the documented defaults', () => {
  const config = loadConfig({ values: { source: { path: 'changes.ndjson' } }, environment: {} });
  assert.equal(config.source.type, 'file');
  assert.deepEqual(config.buffer, { type: 'memory', maxBytes: 64 << 20, expirySeconds: 300 });
  assert.deepEqual(config.journal, { type: 'sqlite', path: 'out/journal.db', changes: 'all', keepHours: 24 });
  assert.equal(config.index.type === 'directory' && config.index.path, 'out/index');
  assert.deepEqual(config.window, { ms: 3000, maxKeys: 200_000, maxBytes: 12 << 20, parkAfterWindows: 10 });
  assert.deepEqual(config.index.batch, { documents: 1000, bytes: 5 << 20 });
  assert.deepEqual(config.index.retry, { maxAttempts: 3, firstMs: 200, maxMs: 10_000 });
  assert.deepEqual(config.inFlight, { bytes: 24 << 20, changes: 500_000 });
  assert.deepEqual(config.http, { enabled: true, host: '127.0.0.1', port: 8080 });
  assert.equal(config.drainMs, 20_000);
});

test('defaults give way to the file and the file to the environment', () => {
  const file = fileOf('source: { brokers: [a:1], topics: [shop] }\nwindow: { ms: 500, maxKeys: 70 }\n');
  const config = loadConfig({ file, environment: { SLUICE_WINDOW_MS: '900' } });
  assert.deepEqual(config.window, { ms: 900, maxKeys: 70, maxBytes: 12 << 20, parkAfterWindows: 10 });
  const lines = new Map(describeConfig(config).map(({ key, origin }) => [key, origin]));
  assert.equal(lines.get('window.ms'), 'SLUICE_WINDOW_MS');
  assert.equal(lines.get('window.maxKeys'), file);
  assert.equal(lines.get('window.maxBytes'), 'default');
  assert.equal(lines.get('source.type'), 'implied');
});

test('JSON is read as YAML is, and SLUICE_CONFIG names the file', () => {
  const file = fileOf(JSON.stringify({ source: KAFKA, window: { maxBytes: '16MiB' } }), 'sluice.json');
  assert.equal(loadConfig({ environment: { SLUICE_CONFIG: file } }).window.maxBytes, 16 << 20);
});

test('every key outside lists can be set by its variable', () => {
  const given: Record<string, string> = {
    SLUICE_SOURCE_BROKERS: 'a:9092, b:9092',
    SLUICE_SOURCE_TOPICS_PATTERN: 'shop.*',
    SLUICE_SOURCE_SSL_ENABLED: 'true',
    SLUICE_TABLES: 'shop.orders,shop.users',
    SLUICE_BUFFER_URL: 'redis://localhost:6379',
    SLUICE_JOURNAL_URL: 'mysql://localhost/sluice',
    SLUICE_JOURNAL_SHARDS_TABLES: '16',
    SLUICE_INDEX_NODES: '["http://localhost:9200"]',
    SLUICE_INDEX_AUTH_API_KEY: 'k',
    SLUICE_INDEX_RETRY_MAX_ATTEMPTS: '5',
    SLUICE_IN_FLIGHT_BYTES: '256MiB',
    SLUICE_HTTP_ENABLED: '0',
    SLUICE_LOG_FILE_PATH: 'out/sluice.log',
    SLUICE_DRAIN_MS: '1000',
  };
  const config = loadConfig({ environment: given });
  assert.equal(config.source.type, 'kafka');
  assert.deepEqual(config.source.type === 'kafka' && config.source.topics, { pattern: 'shop.*' });
  assert.deepEqual(config.source.type === 'kafka' && config.source.brokers, ['a:9092', 'b:9092']);
  assert.deepEqual(
    config.tables.map(({ match }) => match),
    ['shop.orders', 'shop.users'],
  );
  assert.equal(config.journal.type === 'mysql' && config.journal.shards?.tables, 16);
  assert.equal(config.index.retry.maxAttempts, 5);
  assert.equal(config.http.enabled, false);
  assert.equal(config.log.file?.maxTotalBytes, 10 * 2 ** 30);
  for (const name of Object.keys(given)) {
    const key = [...keysOfSchema().values()].find(({ variable }) => variable === name);
    assert.equal(config.origins[key?.path ?? ''], name);
  }
});

test('no two keys share a variable', () => {
  const names = [...keysOfSchema().values()].flatMap(({ variable }) => variable ?? []);
  assert.equal(new Set(names).size, names.length);
});

test('every problem is told at once, by key, rule and value seen', () => {
  const told = problems(
    {
      window: { ms: 0, maxBytes: '1GB', parkAfterWindows: 1.5 },
      index: { nodes: ['es:9200'], slots: 'four' },
      tables: [{ match: 7 }, { index: 'x' }],
      log: { level: 'loud' },
      http: 8080,
      sorce: {},
    },
    { SLUICE_DRAIN_MS: 'soon', SLUICE_WINDOWS_MS: '1' },
  );
  for (const expected of [
    'window.ms must be at least 1, got 0',
    'window.maxBytes must be a size such as 512KiB, 64MiB or a whole number of bytes, got "1GB"',
    'window.parkAfterWindows must be a whole number, got 1.5',
    'index.nodes[0] must be a URL such as https://host:9200, got "es:9200"',
    'index.slots must be a number, got "four"',
    'tables[0].match must be text, got 7',
    'tables[1].match is required',
    'log.level must be trace, debug, info, warn, error or fatal, got "loud"',
    'http must be a mapping of keys, got 8080',
    'sorce is not a known key (did you mean source?)',
    'drainMs (SLUICE_DRAIN_MS) must be a number, got "soon"',
    'SLUICE_WINDOWS_MS is not a known variable (did you mean SLUICE_WINDOW_MS?)',
  ]) {
    assert.ok(told.includes(expected), `${expected}\nnot in\n${told.join('\n')}`);
  }
  assert.equal(told.length, 12);
});

test('an unknown key is told with the nearest known one, or with the type that has it', () => {
  assert.deepEqual(problems({ window: { maxKey: 1 } }), [
    'window.maxKey is not a known key (did you mean window.maxKeys?)',
  ]);
  assert.deepEqual(problems({ index: { retry: { maxAtempts: 1 } } }), [
    'index.retry.maxAtempts is not a known key (did you mean index.retry.maxAttempts?)',
  ]);
  assert.deepEqual(problems({ buffer: { url: 'redis://r', maxBytes: 9 } }), [
    'buffer.maxBytes is a key of buffer type memory, not of redis',
  ]);
  assert.deepEqual(
    problems({ source: { ...KAFKA, sasl: { mechanism: 'plain', username: 'u', password: 'p', x: 1 } } }),
    ['source.sasl.x is not a known key'],
  );
});

test('a source is asked for when there is none', () => {
  assert.deepEqual(problemsOf({ environment: {} }), [
    'source is required: set source.brokers for Kafka, or source.path for a file',
  ]);
});

test('what contradicts itself across keys is refused', () => {
  const rules: [Record<string, unknown>, string][] = [
    [{ window: { maxBytes: '256MiB' } }, 'window.maxBytes must not exceed inFlight.bytes (25165824), got 268435456'],
    [{ window: { maxKeys: 600_000 } }, 'window.maxKeys must not exceed inFlight.changes (500000), got 600000'],
    [
      { index: { retry: { firstMs: 500, maxMs: 100 } } },
      'index.retry.firstMs must not exceed index.retry.maxMs (100), got 500',
    ],
    [{ buffer: { type: 'redis' } }, 'buffer needs url (one Redis) or nodes (a cluster)'],
    [{ buffer: { url: 'redis://r', nodes: ['a:1'] } }, 'buffer must not have both url and nodes'],
    [{ index: { nodes: ['http://h:1'], auth: { username: 'u' } } }, 'index.auth needs password too'],
    [
      { index: { nodes: ['http://h:1'], auth: { apiKey: 'k', username: 'u' } } },
      'index.auth must hold either apiKey or username and password',
    ],
    [{ index: { nodes: ['http://h:1'], tls: true } }, 'index.nodes must all begin with https:// when index.tls is set'],
    [
      { tables: [{ match: 'a.b', include: ['x'], exclude: ['y'] }] },
      'tables[0] must not have both include and exclude',
    ],
  ];
  for (const [values, expected] of rules) assert.deepEqual(problems(values), [expected]);
  assert.match(problems({ tables: ['a.b', 'a.b'] }).join(), /^tables cannot be used: /);
});

test('a reference is replaced by its variable, its fallback, or told as missing', () => {
  const file = fileOf(`
source: { brokers: ["\${HOST:-localhost}:9092"], topics: "\${TOPICS}" }
window: { ms: "\${MS}", maxBytes: "\${MISSING:-8MiB}" }
log: { file: { path: "$\${literal}" } }
http: { host: "\${EMPTY}" }
`);
  const config = loadConfig({ file, environment: { TOPICS: 'a,b', MS: '750', EMPTY: '' } });
  assert.deepEqual(config.source.type === 'kafka' && [config.source.brokers, config.source.topics], [
    ['localhost:9092'],
    ['a', 'b'],
  ]);
  assert.equal(config.window.ms, 750);
  assert.equal(config.window.maxBytes, 8 << 20);
  assert.equal(config.log.file?.path, `\${literal}`);
  assert.equal(config.http.host, '127.0.0.1');
  assert.deepEqual(problemsOf({ file, environment: { TOPICS: 'a', EMPTY: '' } }), [
    'window.ms needs the environment variable MS, which is not set',
  ]);
  assert.deepEqual(problemsOf({ file, environment: { TOPICS: 'a', EMPTY: '', MS: 'geheim' } }), [
    `window.ms must be a number, got \${MS}`,
  ]);
});

test('a reference cannot add keys to the file', () => {
  const file = fileOf(`source: { brokers: [a:1], topics: [t], clientId: "\${ID}" }`);
  const config = loadConfig({ file, environment: { ID: 'x }\nwindow: { ms: 1 }' } });
  assert.equal(config.window.ms, 3000);
  assert.equal(config.source.type === 'kafka' && config.source.clientId, 'x }\nwindow: { ms: 1 }');
});

test('a file that cannot be read or parsed is told by place, without its text', () => {
  assert.match(problemsOf({ file: join(folder, 'none.yaml'), environment: {} }).join(), /cannot be read \(ENOENT\)$/);
  const broken = problemsOf({ file: fileOf('a: 1\na: 2\n  geheim: [\n'), environment: {} }).join();
  assert.match(broken, /is not valid YAML at line \d+, column \d+ /);
  assert.doesNotMatch(broken, /geheim/);
  assert.match(problemsOf({ file: fileOf('- a'), environment: {} }).join(), /must hold a mapping of keys$/);
  assert.match(problemsOf({ file: fileOf('a: *b'), environment: {} }).join(), /./);
});

test('the environment may change the type of a section; what only the old type has is left out', () => {
  const values = { source: KAFKA, buffer: { type: 'redis', url: 'redis://r', expirySeconds: 9 } };
  const config = loadConfig({ values, environment: { SLUICE_BUFFER_TYPE: 'memory' } });
  assert.deepEqual(config.buffer, { type: 'memory', maxBytes: 64 << 20, expirySeconds: 9 });
});

test('variables that Kubernetes adds for a service called sluice are passed over', () => {
  const environment = {
    SLUICE_SERVICE_HOST: '10.0.0.1',
    SLUICE_SERVICE_PORT: '8080',
    SLUICE_SERVICE_PORT_HTTP: '8080',
    SLUICE_PORT: 'tcp://10.0.0.1:8080',
    SLUICE_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
    SLUICE_PORT_8080_TCP_ADDR: '10.0.0.1',
    SLUICE_HTTP_PORT: 'tcp://10.0.0.1:8080',
    SLUICE_HTTP_SERVICE_HOST: '10.0.0.1',
  };
  assert.equal(load({}, environment).http.port, 8080);
  assert.equal(load({}, { SLUICE_HTTP_PORT: '81' }).http.port, 81);
});

test('the configuration is frozen, however deep', () => {
  const config = load({ tables: ['a.b'] });
  for (const part of [config, config.window, config.index.retry, config.tables, config.tables[0], config.origins]) {
    assert.ok(Object.isFrozen(part));
  }
});

test('whatever the file and the environment hold, loading gives a configuration or E1001', () => {
  const names = [...keysOfSchema().values()]
    .flatMap(({ variable }) => variable ?? [])
    .filter((name) => !name.endsWith('_FILE'));
  const environment = fc.dictionary(fc.constantFrom(...names), fc.string(), { maxKeys: 6 });
  const section = fc.constantFrom(
    'source',
    'tables',
    'buffer',
    'journal',
    'window',
    'index',
    'http',
    'log',
    '__proto__',
  );
  fc.assert(
    fc.property(
      fc.dictionary(section, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 }),
      environment,
      (values, variables) => {
        try {
          assert.ok(loadConfig({ values, environment: variables }).window.ms > 0);
        } catch (error) {
          assert.ok(error instanceof SluiceError && error.code === 'E1001', inspect(error));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a secret cannot be printed', () => {
  const secret = new Secret('geheim');
  for (const text of [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { depth: 9, showHidden: true }),
  ]) {
    assert.doesNotMatch(text, /geheim/);
    assert.match(text, /\[redacted\]/);
  }
  assert.equal(secret.reveal(), 'geheim');
});
