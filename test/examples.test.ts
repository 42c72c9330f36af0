import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { enriched, withStatusName } from '../examples/enrich.ts';
import { fannedOut } from '../examples/fan-out.ts';
import { masked, withoutEmail } from '../examples/mask.ts';
import { type Columns, columnsOf, documentFrom } from '../examples/rows.ts';
import { CAPTURE, runExample } from '../examples/run-example.ts';
import {
  type Change,
  type Compose,
  type Connected,
  documentOf,
  readDirectoryIndex,
  syncPipeline,
  textOf,
} from '../src/index.ts';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

type Documents = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Runs a composition over the capture; the documents by index and id, and a way to ask its store. */
async function run(composeWith: (parts: Connected) => Compose, path = CAPTURE) {
  const out = mkdtempSync(join(tmpdir(), 'sluice-example-'));
  folders.push(out);
  const settled = await runExample(composeWith, { out, path });
  const indexes: Documents = new Map(
    [...readDirectoryIndex(join(out, 'index'))].map(([index, documents]) => [
      index,
      new Map([...documents].map(([id, { source }]) => [id, source])),
    ]),
  );
  const query = (sql: string) => {
    const database = new DatabaseSync(join(out, 'journal.db'), { readOnly: true });
    try {
      return database.prepare(sql).all();
    } finally {
      database.close();
    }
  };
  return { indexes, out, query, settled };
}

/** Every index but those given. */
function without(indexes: Documents, ...names: string[]): Documents {
  return new Map([...indexes].filter(([index]) => !names.includes(index)));
}

const parsed = (text: string): Columns => columnsOf(documentOf(text));
const textFrom = (columns: Columns): string => textOf(documentFrom(columns));

const plain = await run(() => syncPipeline);

test('a row taken apart and put together again is the same text, whatever its numbers', () => {
  const text =
    '{"big":18446744073709551615,"small":-7,"float":1.0e+30,"text":"1 é 😀","nothing":null,"list":[9007199254740993]}';
  assert.equal(textFrom(parsed(text)), text);
  for (const documents of plain.indexes.values())
    for (const document of documents.values()) assert.equal(textFrom(parsed(document)), document);
});

test('enrich: every order gets the name of its status, and nothing else changes', async () => {
  const counted = new Map<string, number>();
  const { indexes } = await run(() =>
    enriched((operations) => {
      for (const [operation, count] of operations) counted.set(operation, (counted.get(operation) ?? 0) + count);
    }),
  );
  const names = new Map<unknown, Set<unknown>>();
  for (const [id, document] of indexes.get('shop_orders') ?? []) {
    const { status_name: name, ...row } = parsed(document);
    assert.equal(textFrom(row), plain.indexes.get('shop_orders')?.get(id));
    names.set(row.status, (names.get(row.status) ?? new Set()).add(name));
  }
  assert.deepEqual(names.get(0), new Set(['new']));
  assert.deepEqual(names.get(1), new Set(['paid']));
  assert.deepEqual(without(indexes, 'shop_orders'), without(plain.indexes, 'shop_orders'));
  const sum = [...counted.values()].reduce((all, count) => all + count, 0);
  assert.deepEqual(
    [sum],
    plain.query('SELECT COUNT(*) AS count FROM buffer_backup').map(({ count }) => count),
  );
});

test('mask: no address reaches the index or the journal, and the stock table is left out', async () => {
  const addresses = [...(plain.indexes.get('shop_customers')?.values() ?? [])].map((one) => parsed(one).email);
  assert.ok(addresses.length > 0 && addresses.every((one) => String(one).endsWith('@example.test')));
  const { indexes, out, query } = await run(() => masked('a secret'));
  for (const document of indexes.get('shop_customers')?.values() ?? [])
    assert.match(String(parsed(document).email), /^masked:[0-9a-f]{32}$/);
  assert.equal(indexes.get('shop_customers')?.size, addresses.length);
  const rows = query("SELECT data FROM buffer_backup WHERE table_name = 'shop.customers'");
  assert.equal(rows.length, 19);
  for (const { data } of rows) assert.match(String(data), /"email":"masked:/);
  assert.doesNotMatch(readFileSync(join(out, 'index', 'shop_customers.ndjson'), 'utf8'), /@example\.test/);
  assert.equal(indexes.has('shop_stock'), false);
  assert.deepEqual(without(indexes, 'shop_customers'), without(plain.indexes, 'shop_customers', 'shop_stock'));
});

test('fan out: a second index holds the same orders with fewer columns, deletes included', async () => {
  const { indexes, query } = await run(({ tables }) => fannedOut(tables));
  const orders = indexes.get('shop_orders') ?? new Map<string, string>();
  const copies = indexes.get('shop_order_search') ?? new Map<string, string>();
  assert.ok(orders.size > 0);
  assert.deepEqual([...copies.keys()], [...orders.keys()]);
  for (const [id, document] of copies) {
    const { id: number, order_no, status } = parsed(orders.get(id) ?? '{}');
    assert.equal(document, textFrom({ id: number, order_no, status }));
  }
  assert.deepEqual(without(indexes, 'shop_order_search'), plain.indexes);
  const journaled = new Map(
    query('SELECT table_name, COUNT(*) AS count FROM buffer_backup GROUP BY table_name').map((row) => [
      row.table_name,
      row.count,
    ]),
  );
  assert.equal(journaled.get('shop.order_search'), journaled.get('shop.orders'));
  assert.equal(journaled.get('shop.orders'), 89);
});

test('fan out: without a rule for the second table the composition is refused', async () => {
  const tables = { lookup: () => null, ruleOf: () => null };
  assert.throws(() => fannedOut(tables), /no rule/);
});

test('what the examples do to a change may be done twice, so recovered changes may pass again', () => {
  const change = (name: string, row: object): Change => ({
    table: { database: 'shop', name, qualified: `shop.${name}`, index: `shop_${name}`, mapping: null },
    key: '1',
    op: 'upsert',
    operation: 'UPDATE',
    document: documentOf(JSON.stringify(row)),
    version: 1,
    offset: 0,
    ordinal: 0,
    timestampMs: 0,
  });
  const order = withStatusName(change('orders', { id: 1, status: 9 }));
  assert.equal(textOf(order.document), '{"id":1,"status":9,"status_name":null}');
  assert.deepEqual(withStatusName(order), order);
  const customer = withoutEmail(change('customers', { id: 1, email: 'somebody@example.test' }), 'a');
  assert.deepEqual(withoutEmail(customer, 'a'), customer);
  assert.notDeepEqual(withoutEmail(change('customers', { id: 1, email: 'somebody@example.test' }), 'b'), customer);
});

test('an operator that throws ends the stream with its error, and a later run reads the same records again', async () => {
  const out = mkdtempSync(join(tmpdir(), 'sluice-example-'));
  folders.push(out);
  const path = join(out, 'one.ndjson');
  writeFileSync(path, readFileSync(CAPTURE, 'utf8').split('\n').slice(0, 40).join('\n'));
  const broken = () =>
    enriched(() => {
      throw new Error('a defect of the operator');
    });
  await assert.rejects(runExample(broken, { out, path }), /a defect of the operator/);
  assert.ok((await runExample(() => enriched(), { out, path })).size > 0);
});
