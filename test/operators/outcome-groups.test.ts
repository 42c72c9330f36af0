import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { outcomesOf } from '../../marbles/bulk-index-words.ts';
import { changeOf } from '../../marbles/change-words.ts';
import { type Entry, entryOf } from '../../src/operators/entry.ts';
import { groupOutcomes } from '../../src/operators/outcome-groups.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';

function entriesOf(count: number): Entry[] {
  const ticket = new PartitionLog('shop', 0, 0).admit(0, count + 1, null);
  return Array.from({ length: count }, (_, i) => entryOf(changeOf(`a${i + 1}`), ticket, 0));
}

const words = ['done', 'newer', 'retry', 'busy', 'wait7', 'wait9', 'hold', 'hold-all', 'split', 'reject'];

test('every entry is in exactly one group, in order, whatever the outcomes are and however many are missing', () => {
  const answers = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 20, size: 'max' });
  fc.assert(
    fc.property(answers, fc.nat({ max: 3 }), (answered, missing) => {
      const entries = entriesOf(answered.length + missing);
      const { delivered, failed, halves, held, rejected } = groupOutcomes(entries, outcomesOf(answered.join(' ')));
      const groups = [delivered, failed, halves, held, rejected.map(({ entry }) => entry)];
      const placeOf = (entry: Entry): number => entries.indexOf(entry);
      assert.deepEqual(
        groups
          .flat()
          .map(placeOf)
          .sort((a, b) => a - b),
        [...entries.keys()],
      );
      for (const group of groups) {
        const places = group.map(placeOf);
        assert.deepEqual(
          places,
          places.toSorted((a, b) => a - b),
        );
      }
    }),
  );
});

/** What becomes of documents that are answered so, in words. */
function fateOf(answers: string, count = answers.split(' ').length): string {
  const groups = groupOutcomes(entriesOf(count), outcomesOf(answers));
  const { conflicts, delivered, failed, failure, halves, held, hold, rejected } = groups;
  const words = [
    delivered.length > 0 ? `${delivered.length} delivered` : '',
    conflicts > 0 ? `${conflicts} newer` : '',
    failed.length > 0
      ? `${failed.length} failed (${failure.errorType}, overload ${failure.isOverload}, ${failure.retryAfterMs} ms)`
      : '',
    held.length > 0 ? `${held.length} held (${hold?.scope}: ${hold?.errorType})` : '',
    halves.length > 0 ? `${halves.length} halved` : '',
    ...rejected.map(({ detail, errorType }) => `rejected (${errorType}: ${detail})`),
  ];
  return words.filter(Boolean).join(', ');
}

test('each outcome has its group', () => {
  const fates: Record<string, string> = {
    done: '1 delivered',
    newer: '1 delivered, 1 newer',
    retry: '1 failed (unavailable, overload false, 0 ms)',
    busy: '1 failed (es_rejected_execution_exception, overload true, 0 ms)',
    wait7: '1 failed (es_rejected_execution_exception, overload true, 7 ms)',
    hold: '1 held (index: cluster_block_exception)',
    'hold-all': '1 held (all: security_exception)',
    reject: 'rejected (mapper_parsing_exception: field price of type long)',
  };
  for (const [answer, fate] of Object.entries(fates)) assert.equal(fateOf(answer), fate);
});

test('a request that is refused as a whole is halved, and a document alone in it is the culprit', () => {
  assert.equal(fateOf('split split'), '2 halved');
  assert.equal(fateOf('split'), 'rejected (request_too_large: request_too_large)');
});

test('a document without an answer is sent again', () => {
  assert.equal(fateOf('done', 3), '1 delivered, 2 failed (unknown, overload false, 0 ms)');
});

test('of failures the longest wait, any overload and the last error count', () => {
  assert.equal(fateOf('wait9 wait7 retry'), '3 failed (unavailable, overload true, 9 ms)');
});

test('of holds the widest counts, whichever comes first', () => {
  assert.equal(fateOf('hold hold-all hold'), '3 held (all: security_exception)');
  assert.equal(fateOf('hold hold'), '2 held (index: cluster_block_exception)');
});
