import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { canalJson } from '../../src/formats/canal-json.ts';
import { textOf } from '../../src/pipeline/json-document.ts';
import { tables } from '../../src/pipeline/tables.ts';
import { parseValue } from './replay.ts';

const linesOf = (file: string) =>
  readFileSync(new URL(`fixtures/${file}`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
const samples = linesOf('canal.ndjson');
/** One array of events for each sample: `upsert INSERT index id document`, `letter reason table id op`, `skip reason`, `notice kind table`. */
const expected: string[][] = linesOf('canal-expected.ndjson').map((line) => JSON.parse(line));

test('every sample line gives exactly the events written down for it', () => {
  const rules = [{ match: 'shop.calendar', canalZone: 'Asia/Shanghai' }, { match: '*' }];
  const format = canalJson({ tables: tables({ rules }) });
  assert.equal(samples.length, expected.length);
  for (const [at, value] of samples.entries())
    assert.deepEqual(eventsOf(format, value, at), expected[at], `line ${at + 1}`);
});

test('a TiCDC update with typed types and a full old row is an ordinary update', () => {
  const events = eventsOf(canalJson({ tables: tables() }), samples[48] as string, 0);
  assert.deepEqual(events, ['upsert UPDATE shop_orders 1002 {"id":1002,"status":"2","total":"199.90"}']);
});

test('a replayed sample has the version of its own offset and changes nothing else', () => {
  const format = canalJson({ tables: tables() });
  const value = samples[2] as string;
  const [first, second] = [7, 99].map(
    (offset) => parseValue(format, value, { offset, epoch: 2, timestampMs: 5 }).changes[0],
  );
  assert.equal(first?.version, 2 * 2 ** 44 + 8);
  assert.equal(second?.version, 2 * 2 ** 44 + 100);
  assert.equal(first?.document, second?.document);
  assert.equal(first?.timestampMs, 5);
});

function eventsOf(format: ReturnType<typeof canalJson>, value: string, offset: number): string[] {
  const { changes, notices, rejected, skipped } = parseValue(format, value, { offset });
  return [
    ...changes.map(
      ({ op, operation, table, key, document }) => `${op} ${operation} ${table.index} ${key} ${textOf(document)}`,
    ),
    ...rejected.map(
      ({ reason, table, key, op }) => `letter ${reason} ${table?.qualified ?? '-'} ${key ?? '-'} ${op ?? '-'}`,
    ),
    ...[...skipped].map(([reason]) => `skip ${reason}`),
    ...notices.map(({ kind, table }) => `notice ${kind} ${table}`),
  ];
}
