import assert from 'node:assert/strict';
import { test } from 'node:test';
import { phaseAt } from './phases.ts';

const moments = { joinMs: 10_000, sharedMs: 12_000, leaveMs: 20_000, aloneMs: 21_000, windowMs: 3000 };

test('a change belongs to what went on while it waited', () => {
  const phases = [0, 6999, 7000, 11_999, 12_000, 16_999, 17_000, 20_999, 21_000].map((ms) => phaseAt(ms, moments));
  assert.deepEqual(phases, [
    'alone',
    'alone',
    'joining',
    'joining',
    'together',
    'together',
    'leaving',
    'leaving',
    'alone again',
  ]);
});
