import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from './ledger.ts';

test('a counter is summed over the last word of every process that ran, and over the labels asked for', () => {
  const ledger = new Ledger();
  const [first, second] = [{}, {}];
  const text = (done: number, conflict: number): string =>
    `# HELP items Items\nitems{outcome="done"} ${done}\nitems{outcome="conflict"} ${conflict}\nitems_total 99\n`;
  ledger.metrics(first, text(1, 1));
  ledger.metrics(first, text(5, 2));
  ledger.metrics(second, text(10, 0));
  assert.equal(ledger.total('items'), 17);
  assert.equal(ledger.total('items', 'outcome="conflict"'), 2);
  assert.equal(ledger.total('nothing'), 0);
});

test('memory is remembered at its highest', () => {
  const ledger = new Ledger();
  for (const bytes of [10, 30, 20]) ledger.memory(bytes);
  assert.equal(ledger.peakResidentBytes, 30);
});
