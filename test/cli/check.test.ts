import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Folder, inFolder, sluice } from './sluice-command.ts';

const SECRET = 'hunter2-very-secret';

test('every problem of a configuration is told in one message, ending 2', async () => {
  await inFolder(async (folder) => {
    const file = folder.config({
      window: { ms: 0, maxKey: 5 },
      index: { type: 'directory', path: 'x', slots: 'many' },
      journal: { type: 'mysql', url: 'mysql://db.internal/sluice', password: SECRET, keepHours: -1 },
      http: { port: 99_999 },
      tabels: [],
    });
    const { code, stderr, stdout } = await sluice(['check', '--config', file]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^E1001 [^\n]*\n$/);
    for (const key of ['window.ms', 'window.maxKey', 'index.slots', 'journal.keepHours', 'http.port', 'tabels'])
      assert.ok(stderr.includes(key), `${key} in ${stderr}`);
    assert.match(stderr, /did you mean window\.maxKeys\?/);
    assert.doesNotMatch(stderr, new RegExp(`${SECRET}|at .*\\.ts`));
  });
});

test('a configuration file that is not there, or is no YAML, is told with path and reason', async () => {
  await inFolder(async (folder) => {
    for (const name of ['check', 'run']) {
      const missing = await sluice([name, '--config', `${folder.path}/none.yaml`]);
      assert.equal(missing.code, 2);
      assert.match(
        missing.stderr,
        /^E1001 the configuration of \S+none\.yaml has a problem \(.*cannot be read \(ENOENT\)\)\. \S.*\n$/,
      );
    }
    const broken = await sluice(['check', '-c', folder.file('broken.yaml', `journal: { password: ${SECRET}\nx: [`)]);
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /is not valid YAML at line \d/);
    assert.doesNotMatch(broken.stderr, new RegExp(SECRET));
  });
});

test('without any configuration the message says how to name one', async () => {
  const { code, stderr } = await sluice(['run']);
  assert.equal(code, 2);
  assert.match(stderr, /^E1001 .*source is required.*--config FILE or SLUICE_CONFIG.*\n$/);
});

test('a service without servers is well, and nothing but the store is made', async () => {
  await inFolder(async (folder) => {
    folder.file('changes.ndjson', '');
    const { code, stderr, stdout } = await sluice(['check', '--config', folder.config()]);
    assert.equal(stderr, '');
    assert.deepEqual(stdout.match(/^ok {4}\S+/gm), [
      'ok    configuration',
      'ok    source',
      'ok    store',
      'ok    buffer',
      'ok    index',
    ]);
    assert.equal(code, 0);
  });
});

test('servers that do not answer are all told, each with its code and a remedy, ending 1', async () => {
  await inFolder(async (folder) => {
    // Nothing listens on port 1.
    const file = folder.config({
      source: { type: 'file', path: `${folder.path}/none.ndjson` },
      buffer: { type: 'redis', url: 'redis://127.0.0.1:1/0', password: SECRET, timeoutMs: 200 },
      journal: { type: 'mysql', url: 'mysql://127.0.0.1:1/sluice', username: 'sluice', password: SECRET },
      index: { type: 'elasticsearch', nodes: ['http://127.0.0.1:1'], auth: { username: 'elastic', password: SECRET } },
    });
    const { code, stderr, stdout } = await sluice(['check', '--config', file]);
    assert.equal(code, 1);
    const failures = stdout.split('\n').filter((line) => line.startsWith('FAIL'));
    assert.deepEqual(
      failures.map((line) => line.replace(/^FAIL {2}(\w+) \(\w+\): (E\d{4}) .*$/, '$1 $2')),
      ['source E2004', 'store E4001', 'buffer E5001', 'index E3001'],
    );
    for (const line of failures) assert.match(line, /\(.+\)\. [A-Z].+$/, 'it ends with what to do');
    assert.doesNotMatch(stdout + stderr, new RegExp(`${SECRET}|\\bat .*\\.ts`));
  });
});

test('--show prints every setting with its origin, and no secret', async () => {
  await inFolder(async (folder: Folder) => {
    folder.file('changes.ndjson', '');
    const file = folder.config({
      buffer: { type: 'redis', url: 'redis://127.0.0.1:1', password: SECRET, timeoutMs: 100 },
    });
    const { stdout } = await sluice(['check', '--show', '--config', file], { env: { SLUICE_WINDOW_MS: '1234' } });
    assert.match(stdout, /^window\.ms = 1234 {2}\(.*SLUICE_WINDOW_MS\)$/m);
    assert.match(stdout, /^source\.type = .*sluice\.json\)$/m);
    assert.match(stdout, /^buffer\.password = /m);
    assert.doesNotMatch(stdout, new RegExp(SECRET));
  });
});
