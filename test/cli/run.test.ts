import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { canalMessage, ORDERS, orderRow } from '../support/canal-message.ts';
import { eventually } from '../support/eventually.ts';
import { type Folder, inFolder, SluiceCommand, sluice } from './sluice-command.ts';

const SECRET = 'hunter2-very-secret';
const MESSAGES = [
  canalMessage(ORDERS, 'INSERT', [orderRow(1, 1), orderRow(2, 1)]),
  canalMessage(ORDERS, 'UPDATE', [orderRow(1, 2)], [{ version: '1' }]),
  canalMessage(ORDERS, 'DELETE', [orderRow(2, 1)]),
].join('\n');

/** Documents of an index as `id@version`. */
function documents(folder: Folder, index = 'shop_orders'): string[] {
  const lines = readFileSync(`${folder.path}/index/${index}.ndjson`, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const { _id, _source, _version } = JSON.parse(line);
    return `${_id}@${_version} at version ${_source.version}`;
  });
}

/** Lines of the log. */
function logged(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('a file is read to its end, the index is written, and the command ends 0', async () => {
  await inFolder(async (folder) => {
    folder.file('changes.ndjson', `${MESSAGES}\n`);
    const { code, stderr, stdout } = await sluice(['run', '--config', folder.config()]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(documents(folder), ['1@2 at version 2']);
    const lines = logged(stdout);
    assert.equal(lines[0]?.msg, 'starting');
    assert.equal(lines.at(-1)?.msg, 'stopped');
    assert.doesNotMatch(stdout, /order 1 at version/, 'no row data in the log');
  });
});

test('the same input again changes nothing', async () => {
  await inFolder(async (folder) => {
    folder.file('changes.ndjson', MESSAGES);
    const file = folder.config();
    await sluice(['run', '--config', file]);
    const first = readFileSync(`${folder.path}/index/shop_orders.ndjson`, 'utf8');
    assert.equal((await sluice(['run', '--config', file])).code, 0);
    assert.equal(readFileSync(`${folder.path}/index/shop_orders.ndjson`, 'utf8'), first);
  });
});

test('standard input is a source, and the environment alone a configuration', async () => {
  await inFolder(async (folder) => {
    const env = {
      SLUICE_SOURCE_PATH: '-',
      SLUICE_HTTP_ENABLED: 'false',
      SLUICE_INDEX_PATH: 'index',
      SLUICE_JOURNAL_PATH: 'j.db',
    };
    const { code, stderr } = await sluice(['run'], { cwd: folder.path, env, stdin: MESSAGES });
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(documents(folder), ['1@2 at version 2']);
    assert.ok(existsSync(`${folder.path}/j.db`));
  });
});

test('a file that is not there ends 1 with a fact, a detail, a remedy and a code', async () => {
  await inFolder(async (folder) => {
    const { code, stderr, stdout } = await sluice(['run', '--config', folder.config()]);
    assert.deepEqual([code, stderr], [1, '']);
    const fatal = logged(stdout).find(({ level }) => level === 'fatal');
    assert.equal(fatal?.code, 'E2004');
    assert.match(String(fatal?.msg), /changes\.ndjson cannot be read$/);
    assert.equal(fatal?.detail, 'ENOENT');
    assert.match(String(fatal?.remedy), /source\.path/);
    assert.equal(fatal?.stack, undefined);
  });
});

test('a port that is taken ends 2 and names the setting', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  await inFolder(async (folder) => {
    folder.file('changes.ndjson', MESSAGES);
    const { code, stdout } = await sluice(['run', '--config', folder.config({ http: { host: '127.0.0.1', port } })]);
    assert.equal(code, 2);
    assert.match(stdout, /http\.port/);
    assert.equal(existsSync(`${folder.path}/index`), false, 'nothing was begun');
  });
  taken.close();
});

test('records that cannot be applied become dead letters, and the run goes on and ends 0', async () => {
  await inFolder(async (folder) => {
    folder.file('changes.ndjson', `{{{ not json ${SECRET}\n${MESSAGES}\n`);
    const { code, stdout } = await sluice(['run', '--config', folder.config()]);
    assert.equal(code, 0);
    assert.deepEqual(documents(folder), ['1@3 at version 2']);
    assert.ok(logged(stdout).some(({ reason }) => reason === 'not-json'));
    assert.doesNotMatch(stdout, new RegExp(SECRET));
  });
});

test('while it runs it answers probes and scrapes, and tells no secret', async () => {
  await inFolder(async (folder) => {
    const source = { type: 'file', path: '-' };
    const buffer = { type: 'redis', url: 'redis://127.0.0.1:1/0', password: SECRET, timeoutMs: 100 };
    const command = new SluiceCommand([
      'run',
      '--config',
      folder.config({ source, buffer, http: { host: '127.0.0.1', port: 0 } }),
    ]);
    command.child.stdin?.write(`${MESSAGES}\n`);
    const port = await eventually('the port is logged', () => /"port":(\d+)/.exec(command.stdout)?.[1]);
    const get = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: answer.status, text: await answer.text() };
    };
    await eventually('it is ready', async () => (await get('/readyz')).status === 200);
    await eventually('rows are indexed', async () =>
      /sluice_indexed_total\{[^}]*\} [1-9]/.test((await get('/metrics')).text),
    );
    assert.equal((await get('/livez')).status, 200);
    const health = JSON.parse((await get('/health')).text);
    assert.equal(health.status, 'live');
    assert.equal(health.ready, true);
    assert.equal(health.dependencies.buffer.status, 'down', 'Redis may be away');
    assert.equal(health.dependencies.index.status, 'up');
    for (const path of ['/health', '/metrics', '/readyz'])
      assert.doesNotMatch((await get(path)).text, new RegExp(SECRET));
    assert.equal((await get('/admin')).status, 404);
    command.child.stdin?.end();
    const { code, stderr, stdout } = await command.ended();
    assert.deepEqual([code, stderr], [0, '']);
    assert.doesNotMatch(stdout, new RegExp(SECRET));
  });
});

test('the log goes to rolling files too, when they are configured', async () => {
  await inFolder(async (folder) => {
    folder.file('changes.ndjson', MESSAGES);
    const log = { file: { path: `${folder.path}/log/sluice.log` } };
    assert.equal((await sluice(['run', '--config', folder.config({ log })])).code, 0);
    const [file] = readdirSync(`${folder.path}/log`);
    assert.match(readFileSync(`${folder.path}/log/${file}`, 'utf8'), /"msg":"starting"[\s\S]*"msg":"stopped"/);
  });
});
