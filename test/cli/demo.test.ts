import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { canalMessage, ORDERS, orderRow } from '../support/canal-message.ts';
import { inFolder, sluice } from './sluice-command.ts';

/** The table that the demo prints, by its first column. */
function tableOf(stdout: string): Map<string, number[]> {
  const rows = stdout.split('\n').map((line) => /^(\S+|all tables) {2,}(\d+ +\d+ +\d+ +\d+)$/.exec(line));
  return new Map(rows.flatMap((row) => (row === null ? [] : [[row[1] ?? '', (row[2] ?? '').split(/ +/).map(Number)]])));
}

test('the demo prints what became of each table, and its counts are those of the files it wrote', async () => {
  await inFolder(async (folder) => {
    const { code, stderr, stdout } = await sluice(['demo'], { cwd: folder.path });
    assert.equal(code, 0);
    assert.match(stderr, /read +\d+ records/);
    const rows = tableOf(stdout);
    const [changes = 0, writes = 0, documents = 0] = rows.get('all tables') ?? [];
    assert.ok(changes > writes && writes > documents && documents > 0);
    for (const column of [0, 1, 2]) {
      const sum = [...rows].reduce((all, [name, row]) => all + (name === 'all tables' ? 0 : (row[column] ?? 0)), 0);
      assert.equal(sum, rows.get('all tables')?.[column]);
    }
    const files = readdirSync(`${folder.path}/out/demo/index`).filter((name) => name.endsWith('.ndjson'));
    const lines = files.map(
      (name) => readFileSync(`${folder.path}/out/demo/index/${name}`, 'utf8').split('\n').length - 1,
    );
    assert.equal(
      lines.reduce((all, one) => all + one, 0),
      documents,
    );
    assert.match(stdout, new RegExp(`held ${changes} row changes; ${writes} writes were enough`));
  });
});

test('the demo runs again where it ran before, with the same result', async () => {
  await inFolder(async (folder) => {
    const file = folder.file('changes.ndjson', canalMessage(ORDERS, 'INSERT', [orderRow(1, 1), orderRow(2, 1)]));
    const first = await sluice(['demo', '--file', file, '--out', `${folder.path}/new/demo`]);
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(tableOf(first.stdout).get('shop.orders'), [2, 2, 2, 0]);
    const second = await sluice(['demo', '--file', file, '--out', `${folder.path}/new/demo`]);
    assert.deepEqual([second.code, second.stdout], [0, first.stdout]);
  });
});

test('the demo deletes nothing that it did not make', async () => {
  await inFolder(async (folder) => {
    mkdirSync(`${folder.path}/index`);
    folder.file('journal.db', 'the journal of a real run');
    const { code, stderr, stdout } = await sluice(['demo', '--out', folder.path]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(
      stderr,
      /^E1002 \S+ holds files that sluice demo did not make\. Name an empty or a new directory with --out\n$/,
    );
    assert.equal(readFileSync(`${folder.path}/journal.db`, 'utf8'), 'the journal of a real run');
    assert.ok(existsSync(`${folder.path}/index`));
  });
});

test('a directory that cannot be made, or a capture that is not there, is told without a stack', async () => {
  await inFolder(async (folder) => {
    const file = folder.file('a-file', '');
    const blocked = await sluice(['demo', '--out', `${file}/demo`]);
    assert.equal(blocked.code, 2);
    assert.match(blocked.stderr, /^E1002 \S+ cannot be written \(ENOTDIR\)\. .*--out\n$/);
    const missing = await sluice(['demo', '--file', `${folder.path}/none`, '--out', `${folder.path}/demo`]);
    assert.deepEqual([missing.code, missing.stdout], [1, '']);
    assert.match(missing.stderr, /E2004 \S+none cannot be read \(ENOENT\)\. .*\n$/);
    assert.doesNotMatch(missing.stderr, /\bat .*\.ts/);
  });
});
