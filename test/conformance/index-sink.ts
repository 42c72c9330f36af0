import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { from, lastValueFrom } from 'rxjs';
import type { Table } from '../../src/pipeline/change.ts';
import { versionOf } from '../../src/pipeline/change.ts';
import { documentOf, type JsonDocument } from '../../src/pipeline/json-document.ts';
import type { IndexSink, IndexWrite, Outcome } from '../../src/pipeline/ports.ts';
import { anyText } from '../sinks/any-text.ts';

export interface IndexUnderTest {
  readonly sink: IndexSink;
  /** Documents of an index as somebody else finds them: text and version by id. Empty when there is no such index. */
  documents(index: string): Promise<Map<string, { version: number; source: string }>>;
  close(): Promise<void>;
}

const done: Outcome = { kind: 'done', conflict: false };
const conflict: Outcome = { kind: 'done', conflict: true };

/** What every IndexSink promises; run on each adapter. */
export function testIndexSinkConformance(name: string, open: () => Promise<IndexUnderTest>, runs = 50): void {
  describe(`index conformance: ${name}`, () => {
    let opened: IndexUnderTest;
    let sink: IndexSink;
    before(async () => {
      opened = await open();
      sink = opened.sink;
    });
    after(async () => {
      await opened?.close();
    });
    const sourceOf = async (table: Table, key: string): Promise<string | undefined> =>
      (await opened.documents(table.index)).get(key)?.source;

    test('a document is found under its key, with its version and its text', async () => {
      const table = freshIndexTable({ big: { type: 'unsigned_long' } });
      const text = '{"id":1,"big":12345678901234567890,"price":1.50,"name":"Ünï 😀"}';
      assert.deepEqual(await write(sink, [upsertOf(table, '1', 7, text)]), [done]);
      assert.deepEqual(await opened.documents(table.index), new Map([['1', { version: 7, source: text }]]));
      assert.deepEqual(await versionsOf(sink, table, ['1']), [7]);
    });

    test('an older version never replaces a newer one', async () => {
      const table = freshIndexTable();
      await write(sink, [upsertOf(table, 'a', 7, '{"n":7}')]);
      assert.deepEqual(await write(sink, [upsertOf(table, 'a', 6, '{"n":6}')]), [conflict]);
      assert.deepEqual(await write(sink, [deleteOf(table, 'a', 6)]), [conflict]);
      assert.equal(await sourceOf(table, 'a'), '{"n":7}');
    });

    test('the same batch twice changes nothing', async () => {
      const table = freshIndexTable();
      await write(sink, [upsertOf(table, 'b', 1)]);
      const batch = [upsertOf(table, 'a', 2), deleteOf(table, 'b', 3), upsertOf(table, 'c', 4)];
      assert.deepEqual(await write(sink, batch), [done, done, done]);
      const once = await opened.documents(table.index);
      assert.deepEqual(await write(sink, batch), [done, done, done]);
      assert.deepEqual(await opened.documents(table.index), once);
      assert.deepEqual([...once.keys()].sort(), ['a', 'c']);
    });

    test('a delete removes the document, and an older upsert after it is refused', async () => {
      const table = freshIndexTable();
      await write(sink, [upsertOf(table, 'a', 5)]);
      assert.deepEqual(await write(sink, [deleteOf(table, 'a', 7)]), [done]);
      assert.deepEqual(await versionsOf(sink, table, ['a']), [null]);
      assert.deepEqual(await write(sink, [upsertOf(table, 'a', 6)]), [conflict]);
      assert.equal((await opened.documents(table.index)).size, 0);
      assert.deepEqual(await write(sink, [upsertOf(table, 'a', 8)]), [done]);
      assert.deepEqual(await versionsOf(sink, table, ['a']), [8]);
    });

    test('a delete of a document that never was is done, and remembered', async () => {
      const table = freshIndexTable();
      assert.deepEqual(await write(sink, [deleteOf(table, 'a', 7)]), [done]);
      assert.deepEqual(await write(sink, [upsertOf(table, 'a', 6), upsertOf(table, 'b', 1)]), [conflict, done]);
      assert.deepEqual([...(await opened.documents(table.index)).keys()], ['b']);
    });

    test('one document that cannot be taken is rejected, spares its neighbours and leaves the older one', async () => {
      const table = freshIndexTable();
      await write(sink, [upsertOf(table, 'bad', 1, '{"n":1}')]);
      const outcomes = await write(sink, [
        upsertOf(table, 'a', 2),
        upsertOf(table, 'bad', 3, '{"n": 1, broken'),
        deleteOf(table, 'b', 4),
      ]);
      assert.deepEqual([outcomes[0], outcomes[1]?.kind, outcomes[2]], [done, 'reject', done]);
      assert.deepEqual([...(await opened.documents(table.index)).keys()].sort(), ['a', 'bad']);
      assert.equal(await sourceOf(table, 'bad'), '{"n":1}');
    });

    test('a document that cannot be taken is rejected when it comes alone', async () => {
      const [outcome] = await write(sink, [upsertOf(freshIndexTable(), 'bad', 3, '{"n": 1, broken')]);
      assert.equal(outcome?.kind, 'reject');
    });

    test('versions line up with the keys asked for, null where there is none', async () => {
      const table = freshIndexTable();
      assert.deepEqual(await versionsOf(sink, table, ['a', 'b']), [null, null]);
      await write(sink, [upsertOf(table, 'b', 2), upsertOf(table, 'a', 1), deleteOf(table, 'c', 3)]);
      assert.deepEqual(await versionsOf(sink, table, ['c', 'a', 'nobody', 'b']), [null, 1, null, 2]);
      assert.deepEqual(await versionsOf(sink, table, []), []);
    });

    test('versions are exact to the largest that exists', async () => {
      const table = freshIndexTable();
      const largest = versionOf(511, 2 ** 44 - 3);
      assert.deepEqual(await write(sink, [upsertOf(table, 'a', largest)]), [done]);
      assert.deepEqual(await write(sink, [upsertOf(table, 'a', largest - 1)]), [conflict]);
      assert.deepEqual(await versionsOf(sink, table, ['a']), [largest]);
    });

    test('any history of writes leaves each document as a register of the highest version', async () => {
      const row = fc.record({ key: fc.constantFrom('a', 'b', 'c'), version: fc.integer({ min: 1, max: 9 }) });
      const batch = fc.uniqueArray(row, { selector: ({ key }) => key, minLength: 1 });
      // What a version says is fixed, as it is in the log: even ones delete.
      const writeOf = (table: Table) => (one: { key: string; version: number }) =>
        one.version % 2 === 0
          ? deleteOf(table, one.key, one.version)
          : upsertOf(table, one.key, one.version, `{"v":${one.version}}`);
      await fc.assert(
        fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 8 }), async (batches) => {
          const table = freshIndexTable();
          const highest = new Map<string, number>();
          for (const rows of batches) {
            const expected = rows.map(({ key, version }) => (version < (highest.get(key) ?? 0) ? conflict : done));
            assert.deepEqual(await write(sink, rows.map(writeOf(table))), expected);
            for (const { key, version } of rows) highest.set(key, Math.max(version, highest.get(key) ?? 0));
          }
          const live = [...highest].filter(([, version]) => version % 2 === 1);
          const expected = live.map(([key, version]) => [key, { version, source: `{"v":${version}}` }] as const);
          assert.deepEqual(await opened.documents(table.index), new Map(expected));
        }),
        { numRuns: runs },
      );
    });

    test('any characters in keys and values stay what they are and forge nothing', async () => {
      const text = anyText({ minLength: 1, maxLength: 30 });
      const nasty = fc.constantFrom(
        '"',
        '\\',
        '\n',
        '\r\n',
        '\0',
        '\u2028',
        '😀',
        '{"delete":{"_id":"a"}}',
        'a\n{"delete":{"_id":"a"}}\n',
        '__proto__',
        'constructor',
        ' ',
        '..',
        '/',
        ',"_version":9,"_source":',
      );
      const word = fc.oneof(text, nasty);
      await fc.assert(
        fc.asyncProperty(fc.dictionary(word, word, { minKeys: 1, maxKeys: 6 }), async (values) => {
          const table = freshIndexTable();
          const rows = Object.entries(values);
          const writes = rows.map(([key, value], i) => upsertOf(table, key, i + 1, JSON.stringify({ value })));
          assert.deepEqual(
            await write(sink, writes),
            rows.map(() => done),
          );
          assert.deepEqual(
            await versionsOf(
              sink,
              table,
              rows.map(([key]) => key),
            ),
            rows.map((_, i) => i + 1),
          );
          const found = await opened.documents(table.index);
          assert.equal(found.size, rows.length);
          for (const [key, value] of rows) assert.deepEqual(JSON.parse(found.get(key)?.source ?? ''), { value });
        }),
        { numRuns: runs },
      );
    });

    test('a document written over several lines is taken as one', async () => {
      const table = freshIndexTable();
      assert.deepEqual(await write(sink, [upsertOf(table, 'a', 1, '{\n  "n": 1\n}'), deleteOf(table, 'b', 2)]), [
        done,
        done,
      ]);
      assert.deepEqual(JSON.parse((await sourceOf(table, 'a')) ?? ''), { n: 1 });
    });

    test('outcomes line up with a thousand writes', async () => {
      const table = freshIndexTable();
      const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
      await write(
        sink,
        keys.filter((_, i) => i % 3 === 0).map((key) => upsertOf(table, key, 5000)),
      );
      const outcomes = await write(
        sink,
        keys.map((key, i) => (i % 2 === 0 ? upsertOf(table, key, 1000 + i) : deleteOf(table, key, 1000 + i))),
      );
      for (const [i, outcome] of outcomes.entries()) assert.deepEqual(outcome, i % 3 === 0 ? conflict : done, `${i}`);
    });

    test('concurrent batches of one index leave the highest version', async () => {
      const table = freshIndexTable();
      const versions = [3, 1, 5, 2, 4];
      await Promise.all(versions.map((version) => write(sink, [upsertOf(table, 'a', version, `{"v":${version}}`)])));
      assert.equal(await sourceOf(table, 'a'), '{"v":5}');
    });

    test('an empty batch has no outcomes', async () => {
      assert.deepEqual(await write(sink, []), []);
    });

    test('the incarnation stays while nothing happens to the index', async () => {
      const table = freshIndexTable();
      await write(sink, [upsertOf(table, 'a', 1)]);
      const incarnation = await sink.incarnation();
      await write(sink, [deleteOf(table, 'a', 2)]);
      assert.equal(await sink.incarnation(), incarnation);
    });

    test('ping resolves while the index answers', async () => {
      assert.equal(await sink.ping(), undefined);
    });
  });
}

export function write(sink: IndexSink, writes: readonly IndexWrite[]): Promise<readonly Outcome[]> {
  return lastValueFrom(from(sink.write(writes)));
}

export function versionsOf(
  sink: IndexSink,
  table: Table,
  keys: readonly string[],
): Promise<readonly (number | null)[]> {
  return lastValueFrom(from(sink.versions(table, keys)));
}

export function upsertOf(
  table: Table,
  key: string,
  version: number,
  text = `{"n":${version}}`,
): IndexWrite & { document: JsonDocument } {
  return { table, key, version, document: documentOf(text) };
}

export function deleteOf(table: Table, key: string, version: number): IndexWrite {
  return { table, key, version, document: null };
}

const run = process.pid.toString(36) + process.hrtime.bigint().toString(36);
let tables = 0;

/** A table whose index no other test has used. */
export function freshIndexTable(mapping: Table['mapping'] = null): Table {
  tables += 1;
  return { database: 'shop', name: 't', qualified: 'shop.t', index: `sluice-test-${run}-${tables}`, mapping };
}
