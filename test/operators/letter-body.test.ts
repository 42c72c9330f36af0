import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EMPTY, NEVER, of, VirtualTimeScheduler } from 'rxjs';
import { changeOf } from '../../marbles/change-words.ts';
import type { IndexedBatch } from '../../src/operators/bulk-index.ts';
import { entryOf } from '../../src/operators/entry.ts';
import { settle } from '../../src/operators/settle.ts';
import type { Rejection } from '../../src/pipeline/change.ts';
import { documentOf } from '../../src/pipeline/json-document.ts';
import { OwedKeys } from '../../src/pipeline/owed-keys.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';

const LIMIT = 64 << 10;

/** The letter that a refused document becomes. */
function letterOf(text: string): Rejection {
  const ticket = new PartitionLog('shop', 0, 0).admit(0, 7, null);
  const change = { ...changeOf('a7'), document: documentOf(text) };
  const rejected = [
    { entry: entryOf(change, ticket, 0), errorType: 'mapper_parsing_exception', detail: 'field price' },
  ];
  const indexed = { batch: { settle: () => undefined }, table: change.table, delivered: [], rejected };
  const letters: Rejection[] = [];
  const store = {
    writeLetters: (some: readonly Rejection[]) => {
      letters.push(...some);
      return EMPTY;
    },
    unpark: () => EMPTY,
    closeLetters: () => NEVER,
    addMonitorRows: () => EMPTY,
  };
  const owed = { parked: new OwedKeys(), letters: new OwedKeys() };
  const options = { store, buffer: { remove: () => EMPTY }, report: () => undefined, ...owed };
  of(indexed as unknown as IndexedBatch)
    .pipe(settle({ ...options, scheduler: new VirtualTimeScheduler() }))
    .subscribe();
  assert.equal(letters.length, 1);
  return letters[0] as Rejection;
}

test('a letter says what was refused, where it stood in the log, and why', () => {
  const { table, ...letter } = letterOf('{"price":"ten"}');
  assert.equal(table?.qualified, 'shop.rows');
  assert.deepEqual(letter, {
    reason: 'mapper_parsing_exception',
    detail: 'field price',
    topic: 'shop',
    partition: 0,
    offset: 6,
    version: 7,
    key: 'a',
    op: 'upsert',
    body: '{"price":"ten"}',
  });
});

test('a body of 64 KiB is kept whole, and of a longer one as many whole characters as fit', () => {
  const plan = fc.record({
    character: fc.constantFrom('a', 'é', '語', '😀'),
    before: fc.nat({ max: 3 }),
    around: fc.integer({ min: -3, max: 3 }),
  });
  fc.assert(
    fc.property(plan, ({ around, before, character }) => {
      const width = Buffer.byteLength(character);
      const count = Math.floor(LIMIT / width) + around;
      const { body } = letterOf('x'.repeat(before) + character.repeat(count));
      const fitting = Math.min(count, Math.floor((LIMIT - before) / width));
      assert.equal(body, 'x'.repeat(before) + character.repeat(fitting));
    }),
  );
});
