import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '../../src/pipeline/errors.ts';
import { indexNameOf, type TableRuleConfig, tables } from '../../src/pipeline/tables.ts';

test('every name gives an index that Elasticsearch takes, and names alike but for case give the same', () => {
  const name = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }),
    fc.constantFrom('.', '..', '_all', '*', '-a', 'A b', 'ÄÖ'),
  );
  fc.assert(
    fc.property(name, name, fc.constantFrom('{database}_{table}', '{table}'), (database, table, template) => {
      const index = indexNameOf(template, database, table);
      assert.match(index, /^[^-_+.]/);
      assert.doesNotMatch(index, /[\\/*?"<>| ,#:]|\p{Cc}/u);
      assert.equal(index, index.toLowerCase());
      assert.ok(Buffer.byteLength(index) <= 255 && Buffer.byteLength(index) > 0);
    }),
  );
  assert.equal(indexNameOf('{database}_{table}', 'Shop', 'Orders'), 'shop_orders');
  assert.equal(indexNameOf('{table}', 'shop', '_all'), '~5fall');
});

test('distinct lower-case names give distinct indexes', () => {
  const part = fc.stringMatching(/^[a-z0-9 ~%.é*\\-]{1,12}$/);
  fc.assert(
    fc.property(part, part, (left, right) => {
      assert.equal(indexNameOf('{table}', 'd', left) === indexNameOf('{table}', 'd', right), left === right);
    }),
  );
});

test('a table is one object, and a second table of the same index is refused', () => {
  const found = tables();
  const first = found.lookup('shop', 'User');
  assert.ok(first !== null && 'table' in first);
  assert.equal(first.table.index, 'shop_user');
  assert.equal(first.table.qualified, 'shop.User');
  assert.equal(found.lookup('shop', 'User'), first);
  const second = found.lookup('shop', 'user');
  assert.deepEqual(second, { refused: 'index-taken', detail: 'index shop_user belongs to table shop.User' });
  const [left, right] = [found.lookup('a_b', 'c'), found.lookup('a', 'b_c')];
  assert.ok(left && 'table' in left && right && 'refused' in right);
});

test('the first rule that fits decides, and what no rule names is not routed', () => {
  const found = tables({
    rules: [
      { match: 'shop.orders', index: 'orders', keyColumns: ['id'], exclude: ['note'] },
      { match: 'shop.order*', truncate: 'ignore' },
    ],
  });
  assert.deepEqual(found.ruleOf('shop', 'orders')?.keyColumns, ['id']);
  assert.equal(found.ruleOf('shop', 'orders')?.truncate, 'alarm');
  assert.equal(found.ruleOf('shop', 'order_items')?.truncate, 'ignore');
  assert.equal(found.ruleOf('shop', 'customers'), null);
  assert.equal(found.lookup('shop', 'customers'), null);
  assert.equal(found.ruleOf('shopXorders', ''), null);
});

test('system schemas and tables that sluice writes are never routed', () => {
  const found = tables({ rules: [{ match: '*' }] });
  for (const [database, name] of [
    ['mysql', 'user'],
    ['sys', 'x'],
    ['shop', 'buffer_backup'],
    ['shop', 'buffer_backup_7'],
    ['shop', 'sync_monitor'],
  ] as const) {
    assert.equal(found.lookup(database, name), null, `${database}.${name}`);
  }
});

test('more tables than the bound are refused, known ones go on', () => {
  const found = tables({ maxTables: 1 });
  const first = found.lookup('shop', 'a');
  const second = found.lookup('shop', 'b');
  assert.ok(second && 'refused' in second && second.refused === 'too-many-tables');
  assert.equal(found.lookup('shop', 'a'), first);
});

test('a rule that cannot be meant is refused with its reason and a remedy', () => {
  const bad: [rules: TableRuleConfig[], detail: RegExp][] = [
    [[{ match: 'orders' }], /database\.table/],
    [[{ match: 'shop.*', index: 'all' }], /share one index/],
    [[{ match: 'shop.a', truncate: 'apply' }], /apply/],
    [[{ match: 'shop.a', canalZone: 'Mars/Olympus' }], /time zone/],
    [[{ match: 'shop.a', keyColumns: [] }], /keyColumns/],
    [[{ match: 'shop.a' }, { match: 'shop.a' }], /twice/],
    [
      [
        { match: 'shop.a', index: 'x' },
        { match: 'shop.b', index: 'X' },
      ],
      /also that of shop\.a/,
    ],
  ];
  for (const [rules, detail] of bad) {
    assert.throws(
      () => tables({ rules }),
      (error) =>
        error instanceof SluiceError && error.code === 'E1001' && detail.test(error.detail) && error.remedy !== '',
    );
  }
});

test('tables of the store are not followed in its own databases, and are like any other elsewhere', () => {
  const routes = tables({ storeDatabases: ['sluice'] });
  for (const name of ['journal_0', 'parked_keys', 'dead_letters', 'stream_positions']) {
    assert.equal(routes.lookup('sluice', name), null);
    assert.notEqual(routes.lookup('shop', name), null);
  }
  assert.notEqual(routes.lookup('sluice', 'orders'), null);
});
