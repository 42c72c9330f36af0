import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { canalMessage, ORDERS, orderRow } from '../support/canal-message.ts';
import { eventually } from '../support/eventually.ts';
import { type Folder, inFolder, SluiceCommand } from './sluice-command.ts';

const INSERT = `${canalMessage(ORDERS, 'INSERT', [orderRow(1, 1)])}\n`;

/** A service that reads standard input, which the test keeps open. */
async function running(folder: Folder, index: object = {}): Promise<SluiceCommand> {
  const settings = {
    source: { type: 'file', path: '-' },
    index: { type: 'directory', path: `${folder.path}/index`, ...index },
  };
  const command = new SluiceCommand(['run', '--config', folder.config(settings)]);
  await eventually('it has started', () => command.stdout.includes('the index'));
  return command;
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} settles what was read and ends 0`, async () => {
    await inFolder(async (folder) => {
      const command = await running(folder);
      command.child.stdin?.write(INSERT);
      await eventually('the record was read', () => {
        const journal = readFileSync(`${folder.path}/journal.db-wal`);
        return journal.includes('order 1 at version 1');
      });
      command.child.kill(signal);
      const { code, stderr, stdout } = await command.ended();
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, new RegExp(`"signal":"${signal}"[^]*"msg":"stopped"`));
      assert.match(readFileSync(`${folder.path}/index/shop_orders.ndjson`, 'utf8'), /order 1 at version 1/);
    });
  });
}

test('a second signal ends at once with the code of its kind, though the index takes nothing', async () => {
  for (const [signal, expected] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    await inFolder(async (folder) => {
      const file = folder.file('no-directory', '');
      const command = await running(folder, { path: file });
      command.child.stdin?.write(INSERT);
      await eventually('the index takes nothing', () => command.stdout.includes('takes nothing'));
      command.child.kill(signal);
      await eventually('it is draining', () => command.stdout.includes('stopping: draining'));
      command.child.kill(signal);
      const { code, signal: killedBy, stderr } = await command.ended();
      assert.deepEqual([code, killedBy, stderr], [expected, null, '']);
    });
  }
});
