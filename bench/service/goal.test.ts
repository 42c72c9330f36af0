import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Goal, goalLine } from './goal.ts';

const goal: Goal = { id: 'P6', what: 'p99', unit: 'ms', bound: 4000, is: 'at most', measured: 3999.6, wrongRuns: 0 };

test('a goal says whether it is reached, and that nothing was measured', () => {
  assert.equal(goalLine(goal), 'P6 p99: 4000 ms, goal at most 4000 ms: reached');
  assert.match(goalLine({ ...goal, measured: 4001 }), /NOT reached$/);
  assert.match(goalLine({ ...goal, measured: null }), /-, goal at most 4000 ms: not measured$/);
  const ratio: Goal = { ...goal, unit: '×', bound: 0.7, is: 'at least' };
  assert.match(goalLine({ ...ratio, measured: 0.71 }), /0\.71, goal at least 0\.70: reached$/);
  assert.match(goalLine({ ...ratio, measured: 0.6 }), /NOT reached$/);
});

test('a goal is not reached when a run for it ended wrong', () => {
  assert.match(goalLine({ ...goal, wrongRuns: 1 }), /NOT reached$/);
});
