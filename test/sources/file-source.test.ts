import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { after, test } from 'node:test';
import { asyncScheduler } from 'rxjs';
import { SluiceError } from '../../src/pipeline/errors.ts';
import { type FileSourceOptions, fileSource } from '../../src/sources/file-source.ts';
import { testSourceConformance } from '../conformance/source.ts';
import { eventually } from '../support/eventually.ts';
import { SourceReader } from './source-reader.ts';

const directory = await mkdtemp(join(tmpdir(), 'sluice-file-source-'));
after(() => rm(directory, { recursive: true }));
let files = 0;

testSourceConformance('file', async () => {
  const path = await file('');
  const ends = new Map<number, number>();
  return {
    topic: 'shop',
    keepsPositions: false,
    isFinite: true,
    async append(partition, values) {
      const start = ends.get(partition) ?? 0;
      ends.set(partition, start + values.length);
      const lines = values.map((value, index) =>
        captured({ partition, offset: start + index, value: value?.toString() ?? null }),
      );
      await appendFile(path, lines.join(''));
    },
    open: (inFlight) => fileSource({ path, inFlight, scheduler: asyncScheduler }),
  };
});

test('raw lines are records of partition 0 whose offset is the line number', async () => {
  const reader = await readAll({ path: await file('{"a":1}\n\n  \r\nnot json\n{"offset":3,"value":{"b":2}}') });
  assert.deepEqual(reader.offsets('file', 0), [0, 3, 4]);
  assert.deepEqual(reader.values('file', 0), ['{"a":1}', 'not json', '{"offset":3,"value":{"b":2}}']);
});

test('capture lines and raw lines are told apart line by line', async () => {
  const text = `${captured({ offset: 7, value: 'x' })}{"data":[{"offset":"1","value":"2"}],"type":"INSERT"}\n`;
  const reader = await readAll({ path: await file(text), topic: 'raw' });
  assert.deepEqual(reader.values('shop', 0), ['x']);
  assert.deepEqual(reader.offsets('raw', 0), [1]);
});

test('numbers of a capture line may be text, and gaps between offsets are fine', async () => {
  const text = ['"5"', '9', '"1000000"'].map(
    (offset) => `{"topic":"shop","offset":${offset},"timestamp":"1700000000123","value":null}\n`,
  );
  const reader = await readAll({ path: await file(text.join('')) });
  assert.deepEqual(reader.offsets('shop', 0), [5, 9, 1_000_000]);
  assert.equal(reader.batches[0]?.records[0]?.timestampMs, 1_700_000_000_123);
});

test('a capture line with an impossible place is taken for a raw value', async () => {
  const bad = ['-1', '1.5', '"x"', '1e300', String(2 ** 44)].map((offset) => `{"offset":${offset},"value":"v"}`);
  const reader = await readAll({ path: await file(bad.join('\n')) });
  assert.deepEqual(reader.values('file', 0), bad);
});

test('only a line feed ends a line, and a byte order mark is no part of the first', async () => {
  const reader = await readAll({ path: await file('\ufeff{"a":"\u2028\u0085\r"}\n{"b":1}\n') });
  assert.deepEqual(
    reader.batches.flatMap((batch) => batch.records.map((record) => record.value?.toString())),
    ['{"a":"\u2028\u0085\r"}', '{"b":1}'],
  );
});

test('lines come out the same however the input is cut in chunks', async () => {
  const text = Buffer.from(`{"a":"ä€😀"}\n\n${captured({ offset: 3, value: 'ü'.repeat(50) })}{"last":true}`);
  for (const size of [1, 2, 3, 7, 64]) {
    const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
      text.subarray(i * size, (i + 1) * size),
    );
    const reader = await readAll({ path: '-', input: Readable.from(chunks) });
    assert.deepEqual(reader.offsets('file', 0), [0, 3], `chunks of ${size}`);
    assert.equal(reader.batches.find((batch) => batch.topic === 'shop')?.records[0]?.value?.toString(), 'ü'.repeat(50));
  }
});

test('a line over the limit is cut to a value that cannot parse, and the lines after it are whole', async () => {
  const path = await file(`{"a":"${'x'.repeat(300_000)}"}\n{"b":1}\n`);
  const reader = await readAll({ path, maxLineBytes: 200_000 });
  const [cut, next] = reader.values('file', 0);
  assert.equal(cut?.length, 65_536);
  assert.throws(() => JSON.parse(cut ?? ''));
  assert.equal(next, '{"b":1}');
});

test('an offset that repeats or goes back within its partition errs with E2003', async () => {
  for (const offset of [4, 5]) {
    const text =
      captured({ offset: 5, value: 'a' }) +
      captured({ partition: 1, offset: 0, value: 'b' }) +
      captured({ offset, value: 'c' });
    const reader = await readAll({ path: await file(text) });
    assert.equal(codeOf(reader.error), 'E2003');
  }
});

test('a file that is not there errs with E2004', async () => {
  const reader = await readAll({ path: join(directory, 'missing.ndjson') });
  assert.equal(codeOf(reader.error), 'E2004');
});

test('an empty file completes with an empty assignment', async () => {
  const reader = await readAll({ path: await file('') });
  assert.equal(reader.isComplete, true);
  assert.deepEqual(
    reader.assigned.map((one) => one.places.size),
    [0],
  );
});

test('partitions of a file are counted before its first record; those of standard input are as given', async () => {
  const text = captured({ partition: 2, offset: 0, value: 'a' }) + captured({ partition: 0, offset: 0, value: 'b' });
  const path = await file(text);
  const seen: number[] = [];
  const reader = new SourceReader({ bytes: 1 << 20, changes: 1000 });
  const source = fileSource({ path, inFlight: reader.inFlight, scheduler: asyncScheduler });
  source.records.subscribe(() => seen.push(source.partitionCount('shop')));
  await eventually('both', () => seen.length === 2);
  assert.deepEqual(seen, [3, 3]);
  await source.close();
  const given = fileSource({ path: '-', partitions: 5, inFlight: reader.inFlight, scheduler: asyncScheduler });
  assert.equal(given.partitionCount('shop'), 5);
});

test('standard input that stays open is let go by stop', async () => {
  const input = new PassThrough();
  input.write('{"a":1}\n');
  const reader = new SourceReader({ bytes: 1 << 20, changes: 1000 });
  const source = fileSource({ path: '-', input, inFlight: reader.inFlight, scheduler: asyncScheduler });
  reader.read(source);
  await eventually('the first line', () => reader.count === 1);
  source.stop();
  await eventually('the stream to be destroyed', () => input.destroyed);
  assert.equal(reader.isComplete, true);
  assert.equal(reader.error, null);
});

async function readAll(options: Partial<FileSourceOptions> & { path: string }): Promise<SourceReader> {
  const reader = new SourceReader({ bytes: 64 << 20, changes: 100_000 });
  const source = fileSource({ inFlight: reader.inFlight, scheduler: asyncScheduler, ...options });
  reader.read(source);
  await eventually('the end', () => reader.isComplete || reader.error !== null);
  await source.close();
  return reader;
}

async function file(text: string): Promise<string> {
  files += 1;
  const path = join(directory, `${files}.ndjson`);
  await writeFile(path, text);
  return path;
}

function captured(line: { partition?: number; offset: number; value: string | null }): string {
  return `${JSON.stringify({ topic: 'shop', partition: 0, timestamp: 1, key: null, ...line })}\n`;
}

function codeOf(error: unknown): string | null {
  return error instanceof SluiceError ? error.code : null;
}
