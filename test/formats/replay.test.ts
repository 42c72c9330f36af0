import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXCEPTIONS, expectedDocuments, KEYLESS_TABLES, unexplained } from './final-state.ts';
import { replay } from './replay.ts';

test('a replay of the capture ends with the documents of the final state, but for the exceptions named one by one', () => {
  assert.deepEqual(unexplained(replay('canal-shop.ndjson', 1).documents), []);
});

test('a replay of the key-hashed capture leaves exactly the former keys of its unordered key changes besides', () => {
  const { documents, parsed } = replay('canal-shop-hash3.ndjson', 3);
  const letters = parsed.flatMap(({ rejected }) => rejected).filter(({ reason }) => reason === 'unordered-key-change');
  const expected = expectedDocuments();
  const left = new Map<string, { index: string; id: string }>();
  for (const { key, op, table, body } of letters) {
    assert.ok(table !== null && key !== null && op === 'delete');
    assert.ok(Object.keys(JSON.parse(body)).length > 1, 'the letter holds the row as it was');
    if (!expected.get(table.index)?.has(key)) left.set(`${table.index} ${key}`, { index: table.index, id: key });
  }
  assert.ok(left.size >= 5);
  const extras = [...left.values()].map((place) => ({ ...place, kind: 'extra' as const, columns: [] }));
  assert.deepEqual(unexplained(documents, [...EXCEPTIONS, ...extras]), []);
});

test('every row of the capture is a change, or a letter for a reason that the capture explains', () => {
  const { parsed } = replay('canal-shop.ndjson', 1);
  const reasons = new Map<string, Set<string>>();
  for (const { reason, table } of parsed.flatMap(({ rejected }) => rejected)) {
    reasons.set(reason, (reasons.get(reason) ?? new Set()).add(table?.qualified ?? ''));
  }
  assert.deepEqual([...(reasons.get('no-primary-key') ?? [])].sort(), [...KEYLESS_TABLES].sort());
  assert.deepEqual([...(reasons.get('incomplete-row') ?? [])], ['shop.orders']);
  assert.deepEqual([...(reasons.get('statement-format') ?? [])], ['shop.customers', 'shop.uniq_only']);
  assert.deepEqual([...reasons.keys()].sort(), ['incomplete-row', 'no-primary-key', 'statement-format']);
});

test('what an operator should hear of the capture is a notice', () => {
  const { parsed } = replay('canal-shop.ndjson', 1);
  const notices = parsed.flatMap((batch) => batch.notices.map(({ kind, table }) => `${kind} ${table}`));
  assert.deepEqual(notices, [
    'damaged-text shop.maria_types',
    'damaged-text shop.cs',
    'columns-changed shop.products',
    'columns-changed shop.products',
    'columns-changed shop.products',
    'key-columns-changed shop.products',
    'rename shop.products_old',
    'rename shop.products_bak',
    'rename shop.products_older',
    'rename shop.products_old',
    'rename shop.ci_gone',
    'rename shop.ci',
    'rename shop.ci_new',
    'truncate shop.products_ctas',
    'erase shop.products_older',
    'erase shop.t1',
    'erase shop.t2',
    'erase shop.no_such_table',
    'erase shop.reborn',
    'drop-database shop_archive',
    'xa-rollback ',
    'incomplete-insert shop.orders',
  ]);
});

test('a capture with GTIDs and a repeated TRUNCATE gives the same rows as any other', () => {
  const { documents, parsed } = replay('canal-shop-gtid.ndjson', 1);
  const notices = parsed.flatMap((batch) => batch.notices.map(({ kind, table }) => `${kind} ${table}`));
  assert.deepEqual(notices, ['truncate shop.gt', 'truncate shop.gt']);
  assert.deepEqual(
    [...(documents.get('shop_gt') ?? [])],
    [
      ['2', { id: '#2', v: '#3' }],
      ['3', { id: '#3', v: '#3' }],
    ],
  );
});
