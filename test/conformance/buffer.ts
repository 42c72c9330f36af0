import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { from, lastValueFrom } from 'rxjs';
import { type Change, checksumOf, type Table, versionOf } from '../../src/pipeline/change.ts';
import { documentOf, textOf } from '../../src/pipeline/json-document.ts';
import type { ChangeBuffer } from '../../src/pipeline/ports.ts';
import { anyText } from '../sinks/any-text.ts';

export interface BufferUnderTest {
  readonly buffer: ChangeBuffer;
  /** A buffer over the same rows whose rows live for one second, and a way to let that second pass. */
  readonly brief: ChangeBuffer;
  letOneSecondPass(): Promise<void>;
  close(): Promise<void>;
}

/** What every ChangeBuffer promises; run on each adapter. */
export function testBufferConformance(name: string, open: () => Promise<BufferUnderTest>, runs = 100): void {
  describe(`buffer conformance: ${name}`, () => {
    let opened: BufferUnderTest;
    let buffer: ChangeBuffer;
    before(async () => {
      opened = await open();
      buffer = opened.buffer;
    });
    after(async () => {
      await opened?.close();
    });

    test('a stored change reads back with every field of the request', async () => {
      const change = changeOf(freshTable(), 'a', 7, {
        operation: 'UPDATE',
        text: '{"id":1,"big":12345678901234567890,"name":"Ünï 😀"}',
      });
      await upsert(buffer, [change]);
      assert.deepEqual(await buffer.read(change.table, 'a'), {
        primaryKey: 'a',
        tableName: change.table.qualified,
        operation: 'UPDATE',
        data: textOf(change.document),
        timestamp: change.timestampMs,
        checksum: checksumOf(change.document),
        version: 7,
      });
    });

    test('a row that was never stored reads as null', async () => {
      assert.equal(await buffer.read(freshTable(), 'nobody'), null);
    });

    test('an older version never replaces a newer one, and an equal one does', async () => {
      const table = freshTable();
      await upsert(buffer, [changeOf(table, 'a', 7, { text: '{"n":7}' })]);
      await upsert(buffer, [changeOf(table, 'a', 6, { text: '{"n":6}' })]);
      assert.equal((await buffer.read(table, 'a'))?.data, '{"n":7}');
      await upsert(buffer, [changeOf(table, 'a', 7, { text: '{"n":"again"}' })]);
      assert.equal((await buffer.read(table, 'a'))?.data, '{"n":"again"}');
    });

    test('one newer row among new ones stays, whichever place it has in the call', async () => {
      for (const newer of ['a', 'b', 'c']) {
        const table = freshTable();
        await upsert(buffer, [changeOf(table, newer, 9, { text: '{"n":9}' })]);
        await upsert(
          buffer,
          ['a', 'b', 'c'].map((key) => changeOf(table, key, 8, { text: '{"n":8}' })),
        );
        for (const key of ['a', 'b', 'c'])
          assert.equal((await buffer.read(table, key))?.version, key === newer ? 9 : 8, `${key} beside ${newer}`);
      }
    });

    test('a row is removed by its own version or a newer one, never by an older one', async () => {
      const table = freshTable();
      await upsert(buffer, [changeOf(table, 'a', 7), changeOf(table, 'b', 7), changeOf(table, 'c', 7)]);
      await remove(buffer, table, { a: 6, b: 7, c: 8, nobody: 9 });
      assert.equal((await buffer.read(table, 'a'))?.version, 7);
      assert.equal(await buffer.read(table, 'b'), null);
      assert.equal(await buffer.read(table, 'c'), null);
    });

    test('versions are compared exactly, to the largest that exists', async () => {
      const table = freshTable();
      const largest = versionOf(511, 2 ** 44 - 3);
      const versions = [1, 9, 10, 99, 2 ** 32, 2 ** 44, 2 ** 44 + 1, largest - 1, largest];
      for (const newer of versions) {
        for (const older of versions.filter((version) => version < newer)) {
          const key = `${older}/${newer}`;
          await upsert(buffer, [changeOf(table, key, newer)]);
          await upsert(buffer, [changeOf(table, key, older)]);
          await remove(buffer, table, { [key]: older });
          assert.equal((await buffer.read(table, key))?.version, newer);
        }
      }
    });

    test('any history of calls leaves each row as a register of the highest version', async () => {
      const keys = fc.constantFrom('a', 'b', 'c', 'd');
      const rows = fc.uniqueArray(fc.record({ key: keys, version: fc.integer({ min: 1, max: 12 }) }), {
        selector: ({ key }) => key,
      });
      const call = fc.record({ isRemoval: fc.boolean(), rows });
      await fc.assert(
        fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
          const table = freshTable();
          const model = new Map<string, number>();
          for (const { isRemoval, rows } of calls) {
            if (isRemoval) await remove(buffer, table, Object.fromEntries(rows.map((row) => [row.key, row.version])));
            else
              await upsert(
                buffer,
                rows.map(({ key, version }) => changeOf(table, key, version)),
              );
            for (const { key, version } of rows) {
              if (version < (model.get(key) ?? 0)) continue;
              if (isRemoval) model.delete(key);
              else model.set(key, version);
            }
          }
          for (const key of ['a', 'b', 'c', 'd'])
            assert.equal((await buffer.read(table, key))?.version, model.get(key), key);
        }),
        { numRuns: runs },
      );
    });

    test('any characters in names, keys and rows stay what they are and apart', async () => {
      const text = anyText({ minLength: 1, maxLength: 20 });
      const nasty = fc.constantFrom('a:b', '{x}', '}{', '%3A', 'é', '\0', '"', '\\', '\n', '😀', 'a.b', ' ', '*', '0');
      const word = fc.oneof(text, nasty);
      const row = fc.record({ database: word, name: word, key: word, data: word });
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(row, { maxLength: 6, selector: (r) => JSON.stringify([r.database, r.name, r.key]) }),
          async (rows) => {
            const changes = rows.map(({ database, name, key, data }, i) =>
              changeOf(tableOf(`${freshName()}${database}`, name), key, i + 1, { text: JSON.stringify({ data }) }),
            );
            await upsert(buffer, changes);
            for (const { table, key, document, version } of changes) {
              const record = await buffer.read(table, key);
              assert.deepEqual([record?.primaryKey, record?.data, record?.version], [key, textOf(document), version]);
            }
          },
        ),
        { numRuns: runs },
      );
    });

    test('a batch of many tables and thousands of rows is stored and removed whole', async () => {
      const tables = [freshTable(), freshTable(), freshTable()];
      const changes = tables.flatMap((table) => Array.from({ length: 700 }, (_, i) => changeOf(table, `k${i}`, i + 1)));
      await upsert(buffer, changes);
      for (const { table, key, version } of changes.filter((_, i) => i % 97 === 0))
        assert.equal((await buffer.read(table, key))?.version, version);
      await lastValueFrom(from(buffer.remove(changes)), { defaultValue: undefined });
      for (const { table, key } of changes.filter((_, i) => i % 97 === 0))
        assert.equal(await buffer.read(table, key), null);
    });

    test('an empty batch changes nothing', async () => {
      await upsert(buffer, []);
      await lastValueFrom(from(buffer.remove([])), { defaultValue: undefined });
      assert.ok((await buffer.size()) >= 0);
    });

    test('the size grows with rows stored and falls with rows removed', async () => {
      const table = freshTable();
      const changes = Array.from({ length: 50 }, (_, i) => changeOf(table, `k${i}`, 1));
      const before = await buffer.size();
      await upsert(buffer, changes);
      assert.equal(await buffer.size(), before + 50);
      await lastValueFrom(from(buffer.remove(changes)), { defaultValue: undefined });
      assert.equal(await buffer.size(), before);
    });

    test('a row expires after its last change, and each change starts the time anew', async () => {
      const { brief } = opened;
      const table = freshTable();
      await upsert(brief, [changeOf(table, 'a', 1)]);
      await upsert(brief, [changeOf(table, 'a', 2)]);
      assert.equal((await brief.read(table, 'a'))?.version, 2);
      await opened.letOneSecondPass();
      assert.equal(await brief.read(table, 'a'), null);
    });

    test('ping resolves while the buffer answers', async () => {
      assert.equal(await buffer.ping(), undefined);
    });
  });
}

export function upsert(buffer: ChangeBuffer, changes: readonly Change[]): Promise<void> {
  return lastValueFrom(from(buffer.upsert(changes)), { defaultValue: undefined });
}

async function remove(buffer: ChangeBuffer, table: Table, versions: Record<string, number>): Promise<void> {
  const keys = Object.entries(versions).map(([key, version]) => ({ table, key, version }));
  await lastValueFrom(from(buffer.remove(keys)), { defaultValue: undefined });
}

const run = process.pid.toString(36) + process.hrtime.bigint().toString(36);
let names = 0;

/** Distinct in this process and, nearly surely, from other runs on the same server. */
function freshName(): string {
  names += 1;
  return `t${run}_${names}_`;
}

function tableOf(database: string, name: string): Table {
  return { database, name, qualified: `${database}.${name}`, index: 'unused', mapping: null };
}

/** A table that no other test has used. */
export function freshTable(): Table {
  return tableOf('shop', freshName());
}

/** `text`: that of its document. */
export function changeOf(
  table: Table,
  key: string,
  version: number,
  rest: Partial<Change> & { text?: string } = {},
): Change {
  const { text = `{"key":${JSON.stringify(key)}}`, ...fields } = rest;
  return {
    table,
    key,
    op: 'upsert',
    operation: 'INSERT',
    document: documentOf(text),
    version,
    offset: version - 1,
    ordinal: 0,
    timestampMs: 1_700_000_000_000 + (version % 1000),
    ...fields,
  };
}
