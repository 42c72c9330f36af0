import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Rejection } from '../../src/pipeline/change.ts';
import { sqliteStore } from '../../src/sinks/sqlite-store.ts';
import { answerOf, changeAt, letterAt } from '../conformance/store-samples.ts';
import { orders } from '../pipeline/running-recovery.ts';
import { canalMessage, ORDERS, orderRow } from '../support/canal-message.ts';
import { type Folder, inFolder, sluice } from './sluice-command.ts';

const PLACE = { topic: 'file', partition: 0 };

/** Puts letters into the store of the folder's configuration. */
async function store(folder: Folder, letters: readonly Rejection[]): Promise<void> {
  const opened = sqliteStore({ path: `${folder.path}/journal.db`, lookup: () => null });
  await opened.open();
  await answerOf(opened.writeLetters(letters));
  await opened.close();
}

const refused = (key: string, offset: number): Rejection =>
  letterAt(PLACE, changeAt(orders, key, offset, { text: JSON.stringify({ id: key, note: 'row data' }) }));

test('an empty store has nothing to list, and says so on stderr', async () => {
  await inFolder(async (folder) => {
    const { code, stderr, stdout } = await sluice(['dead-letters', '--config', folder.config()]);
    assert.deepEqual([code, stdout, stderr], [0, '', 'No dead letters match.\n']);
  });
});

test('letters are listed one a line with place and reason, as text or JSON, without row data', async () => {
  await inFolder(async (folder) => {
    const nasty = { ...refused('a', 1), detail: 'field \u001b[31mred\u0007\nE9999 made up' };
    await store(folder, [nasty, refused('b', 2)]);
    const file = folder.config();
    const text = await sluice(['dead-letters', 'list', '--config', file]);
    assert.equal(text.code, 0);
    const [first, second, ...rest] = text.stdout.split('\n');
    assert.match(first ?? '', /^1 {2}open {2}20\S+Z {2}shop\.orders {2}document-rejected {2}file\/0@1 {2}field /);
    assert.match(second ?? '', /^2 {2}open .* file\/0@2 {2}document_parsing_exception$/);
    assert.deepEqual(rest, ['']);
    assert.doesNotMatch(text.stdout, /row data|(?!\n)\p{Cc}/u);
    const json = await sluice(['dead-letters', 'list', '--config', file, '--output', 'json', '--limit', '1']);
    const [letter, ...others] = JSON.parse(json.stdout);
    assert.deepEqual(others, []);
    const { id, key, offset, partition, reason, state, table, topic } = letter;
    assert.deepEqual(
      { id, key, offset, partition, reason, state, table, topic },
      { id: 1, key: 'a', offset: 1, reason: 'document-rejected', state: 'open', table: 'shop.orders', ...PLACE },
    );
    assert.doesNotMatch(json.stdout, /row data/);
    const none = await sluice(['dead-letters', 'list', '--config', file, '--table', 'shop.items']);
    assert.deepEqual([none.code, none.stdout], [0, '']);
  });
});

test('one letter is shown with its body, in which no control character is left', async () => {
  await inFolder(async (folder) => {
    await store(folder, [{ ...refused('a', 1), body: '{"note":"\u001b]0;title\u0007"' }]);
    const file = folder.config();
    const { code, stdout } = await sluice(['dead-letters', 'show', '1', '--config', file]);
    assert.equal(code, 0);
    assert.match(stdout, /^1 {2}open .*\nkey {6}a\nversion {2}2\nbody {5}\{"note":"\\u\{1b\}\]0;title\\u\{7\}"\n$/);
    const missing = await sluice(['dead-letters', 'show', '9', '--config', file]);
    assert.deepEqual([missing.code, missing.stdout], [1, '']);
    assert.match(missing.stderr, /^E6001 there is no dead letter 9\. sluice dead-letters list shows them\n$/);
  });
});

test('a letter that is marked heals in the next run, and its document has the version of its change', async () => {
  await inFolder(async (folder) => {
    folder.file('changes.ndjson', `${canalMessage(ORDERS, 'INSERT', [orderRow(7, 1)])}\n`);
    await store(folder, [refused('a', 0), refused('b', 0)]);
    const file = folder.config();
    const marked = await sluice(['dead-letters', 'redrive', '--id', '1', '--config', file]);
    assert.deepEqual([marked.code, marked.stdout], [0, '1 letter is marked; the running service sends them again.\n']);
    const ended = await sluice(['run', '--config', file]);
    assert.deepEqual([ended.code, ended.stderr], [0, '']);
    const lines = readFileSync(`${folder.path}/index/shop_orders.ndjson`, 'utf8').split('\n').filter(Boolean);
    const ids = lines.map((line) => JSON.parse(line)).map(({ _id, _version }) => `${_id}@${_version}`);
    assert.deepEqual(ids, ['7@1', 'a@1']);
    const listed = await sluice(['dead-letters', 'list', '--config', file]);
    assert.match(listed.stdout, /^1 {2}closed .*\n2 {2}open .*\n$/);
    const again = await sluice(['dead-letters', 'redrive', '--id', '1', '--config', file]);
    assert.deepEqual([again.code, again.stdout], [1, '']);
    assert.match(again.stderr, /^E6001 no open dead letter matches/);
  });
});

test('a newer change of the key closes its letter, and a marked letter never overwrites it', async () => {
  await inFolder(async (folder) => {
    const messages = [
      canalMessage(ORDERS, 'INSERT', [orderRow(7, 1)]),
      canalMessage(ORDERS, 'UPDATE', [orderRow(7, 2)]),
    ];
    folder.file('changes.ndjson', messages.join('\n'));
    await store(folder, [refused('7', 0)]);
    const file = folder.config();
    assert.equal((await sluice(['dead-letters', 'redrive', '--all', '--config', file])).code, 0);
    assert.equal((await sluice(['run', '--config', file])).code, 0);
    const [line = ''] = readFileSync(`${folder.path}/index/shop_orders.ndjson`, 'utf8').split('\n');
    const { _source, _version } = JSON.parse(line);
    assert.deepEqual([_source.version, _version], [2, 2]);
    assert.match((await sluice(['dead-letters', 'list', '--config', file])).stdout, /^1 {2}closed /);
  });
});

test('letters of another reason or table stay as they are', async () => {
  await inFolder(async (folder) => {
    await store(folder, [refused('a', 1), { ...refused('b', 2), reason: 'no-primary-key' }]);
    const file = folder.config();
    const marked = await sluice(['dead-letters', 'redrive', '--reason', 'no-primary-key', '--config', file]);
    assert.equal(marked.code, 0);
    const listed = await sluice(['dead-letters', 'list', '--config', file]);
    assert.match(listed.stdout, /^1 {2}open .*\n2 {2}redrive .*\n$/);
  });
});
