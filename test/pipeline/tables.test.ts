import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tables } from '../../src/pipeline/tables.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/);

test('a glob matches what a regular expression of the same meaning matches', () => {
  const glob = fc.stringMatching(/^[ab*?.+$]{1,6}$/);
  const table = fc.stringMatching(/^[ab.+$]{1,6}$/);
  fc.assert(
    fc.property(glob, table, (pattern, wanted) => {
      const routes = tables({ rules: [{ match: `shop.${pattern}`, index: '{table}' }] });
      const meaning = [...pattern].map((one) => (one === '*' ? '.*' : one === '?' ? '.' : `[${one}]`)).join('');
      assert.equal(routes.ruleOf('shop', wanted) !== null, new RegExp(`^${meaning}$`).test(wanted));
    }),
  );
});

test('a glob that would make a regular expression run long is answered at once', () => {
  const routes = tables({ rules: [{ match: `shop.${'*a'.repeat(12)}`, index: '{table}' }] });
  const startedMs = performance.now();
  assert.equal(routes.ruleOf('shop', `${'a'.repeat(60)}b`), null);
  assert.ok(performance.now() - startedMs < 2000);
});

test('a database or a table is matched as it is written, case included', () => {
  const routes = tables({ rules: [{ match: 'Shop.Orders' }] });
  assert.notEqual(routes.lookup('Shop', 'Orders'), null);
  assert.equal(routes.lookup('shop', 'Orders'), null);
  assert.equal(routes.lookup('Shop', 'orders'), null);
});

test('no rule, however wide, follows a table that sluice writes', () => {
  const own = fc.oneof(
    fc.constantFrom('buffer_backup', 'sync_monitor', 'BUFFER_BACKUP', 'sluice_anything'),
    fc.nat({ max: 99 }).map((shard) => `buffer_backup_${shard}`),
  );
  fc.assert(
    fc.property(name, own, (database, table) => {
      const routes = tables({ rules: [{ match: `${database}.${table}` }, { match: '*' }] });
      assert.equal(routes.lookup(database, table), null);
      assert.equal(routes.ruleOf(database, table), null);
    }),
  );
});

test('each table has the policy of its own rule, and defaults where the rule is silent', () => {
  const routes = tables({
    rules: [
      { match: 'shop.money', decimals: 'number', booleans: 'boolean', canalZone: 'Asia/Shanghai' },
      { match: 'shop.log', truncate: 'ignore', include: ['id', 'at'] },
      { match: 'shop.*' },
    ],
  });
  const policy = (table: string) => {
    const { booleans, canalZone, decimals, exclude, include, keyColumns, truncate } =
      routes.ruleOf('shop', table) ?? {};
    return { booleans, canalZone, decimals, exclude, include, keyColumns, truncate };
  };
  const plain = {
    booleans: 'number',
    canalZone: 'UTC',
    decimals: 'string',
    exclude: null,
    include: null,
    keyColumns: null,
  };
  assert.deepEqual(policy('orders'), { ...plain, truncate: 'alarm' });
  assert.deepEqual(policy('log'), { ...plain, include: new Set(['id', 'at']), truncate: 'ignore' });
  const money = { booleans: 'boolean', canalZone: 'Asia/Shanghai', decimals: 'number', truncate: 'alarm' };
  assert.deepEqual(policy('money'), { ...plain, ...money });
});

test('looking at a rule takes no table up, so it counts towards no bound and owns no index', () => {
  const routes = tables({ maxTables: 1 });
  assert.notEqual(routes.ruleOf('shop', 'a'), null);
  assert.notEqual(routes.ruleOf('shop', 'b'), null);
  const found = routes.lookup('shop', 'c');
  assert.ok(found !== null && 'table' in found);
});

test('tables of one index: the first keeps it for the life of the process, the others are refused and go on being refused', () => {
  const routes = tables({ rules: [{ match: '*', index: 'all_{table}' }] });
  const first = routes.lookup('east', 'orders');
  assert.ok(first !== null && 'table' in first);
  for (const database of ['west', 'north', 'west']) {
    const refused = routes.lookup(database, 'orders');
    assert.ok(refused !== null && 'refused' in refused && refused.refused === 'index-taken');
    assert.match(refused.detail, /east\.orders/);
  }
  assert.equal(routes.lookup('east', 'orders'), first);
});
