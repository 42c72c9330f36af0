import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { steadyScheduler } from '../../src/cli/steady-scheduler.ts';

const { now } = Date;
afterEach(() => {
  Date.now = now;
});

test('the clock of a service does not follow a wall clock that is put back', () => {
  const before = steadyScheduler.now();
  Date.now = () => now() - 3_600_000;
  const after = steadyScheduler.now();
  assert.ok(after >= before && after - before < 60_000);
  assert.ok(Math.abs(after - now()) < 60_000, 'it is wall time as long as nobody sets that');
  assert.ok(Number.isInteger(after), 'it is stored as whole milliseconds');
});
