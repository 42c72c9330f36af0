import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { warningLog } from '../../src/cli/warnings.ts';
import { canalMessage, ORDERS, orderRow } from '../support/canal-message.ts';
import { eventually } from '../support/eventually.ts';
import { inFolder, SluiceCommand, sluice } from './sluice-command.ts';

test('a stop signal at start, while the store does not answer, ends the process at once with 0', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  await inFolder(async (folder) => {
    const journal = { type: 'mysql', url: `mysql://sluice@127.0.0.1:${port}/sluice` };
    const command = new SluiceCommand(['run', '--config', folder.config({ journal })]);
    await eventually('the store is asked', () => sockets.length > 0);
    const askedMs = performance.now();
    command.child.kill('SIGTERM');
    const { code, signal, stderr, stdout } = await command.ended();
    assert.deepEqual([code, signal, stderr], [0, null, '']);
    assert.match(stdout, /"msg":"stopped"/);
    // The store has ten seconds for an answer.
    assert.ok(performance.now() - askedMs < 6000, `${performance.now() - askedMs} ms`);
  });
  for (const socket of sockets) socket.destroy();
  silent.close();
});

test('a file whose index takes nothing ends with 1 and the number of parked keys, and the next start writes them', async () => {
  await inFolder(async (folder) => {
    const rows = Array.from({ length: 7 }, (_, i) => canalMessage(ORDERS, 'INSERT', [orderRow(i + 1, 1)]));
    folder.file('changes.ndjson', rows.join('\n'));
    const inTheWay = folder.file('index', 'no directory');
    const config = folder.config({ window: { ms: 100, parkAfterWindows: 2 } });
    const first = await sluice(['run', '--config', config]);
    assert.deepEqual([first.code, first.stderr], [1, '']);
    const fatal = first.stdout.split('\n').filter((line) => line.includes('"level":"fatal"'));
    assert.equal(fatal.length, 1);
    assert.match(fatal[0] ?? '', /"code":"E3003".*the index has not taken 7 of its keys/);

    rmSync(inTheWay);
    const second = await sluice(['run', '--config', config]);
    assert.equal(second.code, 0, second.stdout);
    const documents = readFileSync(`${folder.path}/index/shop_orders.ndjson`, 'utf8');
    assert.equal(documents.trim().split('\n').length, 7);
  });
});

test('dead-letters close ends one open letter, and tells of one that is not there or not open', async () => {
  await inFolder(async (folder) => {
    folder.file('changes.ndjson', '{{{ not json\n[[[ neither\n');
    const config = folder.config();
    assert.equal((await sluice(['run', '--config', config])).code, 0);
    const letters = async (...more: string[]) => {
      const { code, stderr, stdout } = await sluice(['dead-letters', ...more, '--config', config]);
      return [code, stdout || stderr];
    };
    assert.deepEqual(await letters('close', '1'), [0, 'Letter 1 is closed.\n']);
    const [, open] = await letters('list', '--state', 'open');
    assert.match(String(open), /^2 {2}open .*\n$/);
    const [, closed] = await letters('list', '--state', 'closed');
    assert.match(String(closed), /^1 {2}closed .*\n$/);
    for (const [id, detail] of [
      ['1', ' (it is closed already)'],
      ['99', ''],
    ]) {
      const expected = `E6001 there is no open dead letter ${id}${detail}. sluice dead-letters list --state open shows them\n`;
      assert.deepEqual(await letters('close', '--id', String(id)), [1, expected]);
    }
    const [code, refusal] = await letters('close');
    assert.equal(code, 2);
    assert.match(String(refusal), /^E1002 close needs the id of a letter/);
  });
});

test('each warning of an adapter is logged once, those that come later too', () => {
  const logged: string[] = [];
  const warn = warningLog({
    warn: ({ component }: { component?: string }, text) => logged.push(`${component}: ${text}`),
  });
  const part = { warnings: ['first'] };
  warn('index', part);
  warn('index', part);
  part.warnings.push('second');
  warn('index', part);
  warn('buffer', {});
  assert.deepEqual(logged, ['index: first', 'index: second']);
});
