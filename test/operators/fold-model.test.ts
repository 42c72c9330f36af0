import { test } from 'node:test';
import fc from 'fast-check';
import { FoldModel, type Step } from './fold-model.ts';

const few = fc.nat({ max: 3 });
const length = fc.integer({ min: 2, max: 60 });
const changesOf = (...rows: string[]) =>
  fc.array(fc.record({ row: fc.constantFrom(...rows), length }), { maxLength: 6 });
const partition = fc.constantFrom(0, 1);
const ticked = fc.constant<Step>({ type: 'tick' });
const allTaken = fc.constant<Step>({ type: 'take-all' });
const overdueTaken = fc.record({ type: fc.constant('take-overdue' as const), windows: fc.integer({ min: 1, max: 3 }) });
const taken = fc.record({ type: fc.constant('take' as const), documents: fc.integer({ min: 1, max: 4 }) });
const ended = fc.record({
  type: fc.constantFrom('settle', 'give-back', 'join' as const),
  which: few,
  count: fc.integer({ min: 1, max: 3 }),
});

function runAll(steps: readonly Step[]): void {
  const model = new FoldModel();
  for (const step of steps) model.run(step);
  model.finish();
}

test('whatever is added, taken, settled, given back and parked, the newest of each key wins and nothing is forgotten', () => {
  const changes = changesOf('rows.a', 'rows.b', 'logs.a', 'logs.c');
  const read = fc.record({ type: fc.constant('read' as const), partition, changes });
  const recovered = fc.record({
    type: fc.constant('recover' as const),
    partition,
    age: few,
    changes: changes.filter(({ length: count }) => count > 0),
  });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: read },
    { weight: 1, arbitrary: recovered },
    { weight: 2, arbitrary: ticked },
    { weight: 4, arbitrary: taken },
    { weight: 4, arbitrary: ended },
    { weight: 1, arbitrary: allTaken },
    { weight: 2, arbitrary: overdueTaken },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40, size: 'max' }), runAll), { numRuns: 1000 });
});

test('keys of a partition that was assigned anew are dropped when they are due, and the others are not', () => {
  const changes = changesOf('rows.a', 'rows.b', 'rows.c');
  const read = fc.record({ type: fc.constant('read' as const), partition, changes });
  const reassigned = fc.record({ type: fc.constant('reassign' as const), partition });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: read },
    { weight: 1, arbitrary: reassigned },
    { weight: 2, arbitrary: ticked },
    { weight: 3, arbitrary: taken },
    { weight: 3, arbitrary: ended },
    { weight: 1, arbitrary: allTaken },
    { weight: 2, arbitrary: overdueTaken },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40, size: 'max' }), runAll), { numRuns: 1000 });
});
