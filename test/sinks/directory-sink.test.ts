import assert from 'node:assert/strict';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/pipeline/change.ts';
import { lineOf, parseLine } from '../../src/sinks/directory-lines.ts';
import { directorySink, readDirectoryIndex } from '../../src/sinks/directory-sink.ts';
import { deleteOf, upsertOf, versionsOf, write } from '../conformance/index-sink.ts';
import { anyText } from './any-text.ts';

const orders: Table = {
  database: 'shop',
  name: 'orders',
  qualified: 'shop.orders',
  index: 'shop_orders',
  mapping: null,
};
const done = { kind: 'done', conflict: false };

let root: string;
let directories = 0;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-directory-'));
});
after(async () => {
  await rm(root, { recursive: true });
});
const freshPath = (): string => {
  directories += 1;
  return join(root, `${directories}`);
};

test('a row reads back from its line as it was written', () => {
  const text = anyText({ minLength: 1 });
  const row = fc.record({ key: text, version: fc.maxSafeNat(), document: fc.option(fc.json()) });
  fc.assert(
    fc.property(row, ({ key, version, document }) => {
      const line = lineOf(key, { version, document });
      assert.equal(line.indexOf('\n'), line.length - 1);
      assert.deepEqual(parseLine(line.slice(0, -1)), {
        key,
        version,
        document: document?.replaceAll('\n', ' ') ?? null,
      });
    }),
  );
});

test('what is no line reads as null', () => {
  for (const line of ['', '{}', '{"_id":1,"_version":2,"_source":{}}', '{"_id":"a","_version":x,"_source":{}}', 'x'])
    assert.equal(parseLine(line), null, line);
});

test('close leaves one line a document, sorted by id bytewise, and no log', async () => {
  const path = freshPath();
  const sink = directorySink({ path });
  // UTF-16 order would put the last one before U+FF5E.
  const keys = ['b', 'a', 'B', '10', '9', 'é', '\uff5e', '😀'];
  await write(
    sink,
    keys.map((key) => upsertOf(orders, key, 1, '{"n": 1}')),
  );
  await sink.close();
  const lines = ['10', '9', 'B', 'a', 'b', 'é', '\uff5e', '😀'].map(
    (key) => `{"_id":"${key}","_version":1,"_source":{"n": 1}}\n`,
  );
  assert.equal(await readFile(join(path, 'shop_orders.ndjson'), 'utf8'), lines.join(''));
  assert.deepEqual(await readdir(path), ['shop_orders.ndjson']);
});

test('documents and deletes outlive a restart', async () => {
  const path = freshPath();
  const first = directorySink({ path });
  await write(first, [upsertOf(orders, 'a', 5), upsertOf(orders, 'b', 5)]);
  await write(first, [deleteOf(orders, 'b', 7)]);
  await first.close();
  const second = directorySink({ path });
  assert.deepEqual(await versionsOf(second, orders, ['a', 'b']), [5, null]);
  assert.deepEqual(await write(second, [upsertOf(orders, 'b', 6)]), [{ kind: 'done', conflict: true }]);
  await second.close();
});

test('what was done before a crash is there after it, and a torn last line is not', async () => {
  const path = freshPath();
  const crashed = directorySink({ path });
  await write(crashed, [upsertOf(orders, 'a', 1), upsertOf(orders, 'b', 2), deleteOf(orders, 'c', 3)]);
  const copy = freshPath();
  await cp(path, copy, { recursive: true });
  await crashed.close();
  await appendFile(join(copy, 'shop_orders.log'), lineOf('d', { version: 4, document: '{"n":4}' }).slice(0, -3));

  const read = () => [...(readDirectoryIndex(copy).get('shop_orders')?.keys() ?? [])];
  assert.deepEqual(read(), ['a', 'b']);
  const next = directorySink({ path: copy });
  assert.deepEqual(await write(next, [upsertOf(orders, 'c', 2), upsertOf(orders, 'e', 5)]), [
    { kind: 'done', conflict: true },
    done,
  ]);
  await next.close();
  assert.deepEqual(read(), ['a', 'b', 'e']);
});

test('a crash between the files and the emptying of the log leaves the newest versions', async () => {
  const path = freshPath();
  const sink = directorySink({ path });
  await write(sink, [upsertOf(orders, 'a', 1), upsertOf(orders, 'b', 1)]);
  const log = await readFile(join(path, 'shop_orders.log'));
  await write(sink, [deleteOf(orders, 'a', 2), upsertOf(orders, 'b', 3, '{"n":"new"}')]);
  await sink.close();
  await writeFile(join(path, 'shop_orders.log'), log);
  const next = directorySink({ path });
  assert.deepEqual(await versionsOf(next, orders, ['a', 'b']), [null, 3]);
  await next.close();
  assert.deepEqual(
    readDirectoryIndex(path).get('shop_orders'),
    new Map([['b', { version: 3, source: '{"n":"new"}' }]]),
  );
});

test('logs that a crash left are written to their files at close, whatever was written since', async () => {
  const path = freshPath();
  await mkdir(path);
  await writeFile(join(path, 'shop_items.log'), lineOf('x', { version: 1, document: '{}' }));
  const sink = directorySink({ path });
  await write(sink, [upsertOf(orders, 'a', 1)]);
  await sink.close();
  assert.deepEqual((await readdir(path)).sort(), ['shop_items.ndjson', 'shop_orders.ndjson']);
});

test('a full directory holds new documents, and takes deletes, smaller documents and what they make room for', async () => {
  const sink = directorySink({ path: freshPath(), maxBytes: 3000 });
  const full = { kind: 'hold', scope: 'index', errorType: 'directory_full' };
  const large = JSON.stringify({ text: 'x'.repeat(500) });
  const keys = ['a', 'b', 'c'];
  assert.deepEqual(
    await write(
      sink,
      keys.map((key) => upsertOf(orders, key, 1, large)),
    ),
    [done, done, full],
  );
  assert.deepEqual(await write(sink, [upsertOf(orders, 'a', 2, '{}')]), [done]);
  assert.deepEqual(await write(sink, [deleteOf(orders, 'b', 2)]), [done]);
  assert.deepEqual(await write(sink, [upsertOf(orders, 'c', 2, large)]), [done]);
  await sink.close();
});

test('a damaged file holds its index and no other', async () => {
  const path = freshPath();
  await mkdir(path);
  await writeFile(join(path, 'shop_orders.log'), 'damaged\n');
  const sink = directorySink({ path });
  const items = { ...orders, index: 'shop_items' };
  assert.equal((await write(sink, [upsertOf(orders, 'a', 1)]))[0]?.kind, 'hold');
  await assert.rejects(versionsOf(sink, orders, ['a']), { code: 'E3002' });
  assert.deepEqual(await write(sink, [upsertOf(items, 'a', 1)]), [done]);
  await sink.close();
});

test('a path that is no directory holds every index, and ping says so', async () => {
  const path = freshPath();
  await writeFile(path, '');
  const sink = directorySink({ path });
  assert.equal((await write(sink, [upsertOf(orders, 'a', 1)]))[0]?.kind, 'hold');
  await assert.rejects(sink.ping(), { code: 'E3002' });
  await sink.close();
});

test('an index name that would leave the directory is held', async () => {
  const path = freshPath();
  const sink = directorySink({ path });
  for (const index of ['../x', 'a/b', '.', '..', '*', 'A', '<x>', ''])
    assert.equal((await write(sink, [upsertOf({ ...orders, index }, 'a', 1)]))[0]?.kind, 'hold', index);
  await sink.close();
  assert.ok(!(await readdir(root)).some((file) => file.startsWith('x')));
});
