import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksumOf } from '../../src/pipeline/change.ts';
import { documentOf } from '../../src/pipeline/json-document.ts';
import type { ExpectedState, WrittenChange } from '../support/load-writer.ts';
import { differenceOf, type Found, type JournalRow, journalDifference } from './checker.ts';

const EXPECTED = new Map<string, ExpectedState>([
  ['1', { version: 5, partition: 0, document: '{"id":1}' }],
  ['2', { version: 9, partition: 0, document: null }],
]);
const RIGHT = new Map<string, Found>([['1', { version: 5, source: '{"id":1}' }]]);

function counts(found: ReadonlyMap<string, Found>): Record<string, number> {
  const { extra, missing, stale, wrong } = differenceOf(EXPECTED, found);
  return { missing, extra, stale, wrong };
}

test('an index that holds what was written differs in nothing', () => {
  assert.deepEqual(counts(RIGHT), { missing: 0, extra: 0, stale: 0, wrong: 0 });
});

test('missing, extra, stale and wrong documents are each counted as what they are', () => {
  assert.deepEqual(counts(new Map()), { missing: 1, extra: 0, stale: 0, wrong: 0 });
  assert.deepEqual(counts(new Map([['1', { version: 4, source: '{"id":1}' }]])), {
    missing: 0,
    extra: 0,
    stale: 1,
    wrong: 0,
  });
  assert.deepEqual(counts(new Map([['1', { version: 5, source: '{"id":7}' }]])), {
    missing: 0,
    extra: 0,
    stale: 0,
    wrong: 1,
  });
  assert.deepEqual(counts(new Map([['1', { version: 6, source: '{"id":1}' }]])), {
    missing: 0,
    extra: 0,
    stale: 0,
    wrong: 1,
  });
  const ghost = new Map([...RIGHT, ['2', { version: 8, source: '{}' }], ['3', { version: 1, source: '{}' }]] as const);
  assert.deepEqual(counts(ghost), { missing: 0, extra: 2, stale: 0, wrong: 0 });
});

const CHANGES: readonly WrittenChange[] = [
  { partition: 0, offset: 0, ordinal: 0, key: '1', op: 'upsert', operation: 'INSERT', document: '{"id":1}' },
  { partition: 0, offset: 1, ordinal: 0, key: '1', op: 'delete', operation: 'DELETE', document: '{"id":1}' },
];

function rowOf({ document, ...rest }: WrittenChange): JournalRow {
  return { ...rest, sha1: checksumOf(documentOf(document)) };
}

test('a change is in the journal or, unless it is a delete, in a gap', () => {
  const rows = CHANGES.map(rowOf);
  const gap = { partition: 0, from: 0, to: 1 };
  assert.deepEqual(journalDifference(CHANGES, rows, []), { inGaps: 0, problems: [] });
  assert.deepEqual(journalDifference(CHANGES, rows.slice(1), [gap]), { inGaps: 1, problems: [] });
  assert.equal(journalDifference(CHANGES, rows.slice(1), []).problems.length, 1);
  assert.match(journalDifference(CHANGES, rows.slice(0, 1), [gap]).problems[0] ?? '', /a delete in a gap/);
});

test('a journal row that nobody wrote is a problem', () => {
  const [first, second] = CHANGES.map(rowOf);
  assert.ok(first !== undefined && second !== undefined);
  const foreign = { ...first, offset: 7 };
  assert.match(journalDifference(CHANGES, [first, second, foreign], []).problems[0] ?? '', /never written/);
  const changed = { ...first, sha1: checksumOf(documentOf('{}')) };
  assert.equal(journalDifference(CHANGES, [changed, second], []).problems.length, 2);
});
