import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Table } from '../src/pipeline/change.ts';
import { lineOfEvent } from '../src/pipeline/event-lines.ts';

const root = join(import.meta.dirname, '..');
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const page = textOf('docs/errors.md');

/** First cells of the table under a heading of the page. */
function listed(heading: string): string[] {
  const section = page.split(`\n${heading}\n`)[1]?.split(/\n#/)[0] ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell = '']) => cell).sort();
}

/** Every distinct text that one of the patterns captures in files of a folder. */
function written(folder: string, files: RegExp, ...patterns: RegExp[]): string[] {
  const texts = readdirSync(join(root, folder))
    .filter((file) => files.test(file))
    .map((file) => textOf(join(folder, file)));
  const found = texts.flatMap((text) => patterns.flatMap((pattern) => [...text.matchAll(pattern)]));
  return [...new Set(found.flatMap(([, ...groups]) => groups.filter((group) => group !== undefined)))].sort();
}

test('docs/errors.md explains exactly the codes there are', () => {
  const codes = [...textOf('src/pipeline/errors.ts').matchAll(/\| '(E\d{4})'/g)].map(([, code = '']) => code);
  assert.ok(codes.length >= 14);
  assert.deepEqual(listed('## Codes'), codes.sort());
  for (const row of page.split('\n').filter((line) => /^\| `E\d/.test(line)))
    assert.ok(
      row.split('|').every((cell, at, cells) => at === 0 || at === cells.length - 1 || cell.trim() !== ''),
      row,
    );
});

test('every code is used, so none is documented for nothing', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('errors.ts'))
    .map((file) => textOf(join('src', file)))
    .join('\n');
  for (const code of listed('## Codes')) assert.ok(sources.includes(`'${code}'`), `${code} is reported nowhere`);
});

test('docs/errors.md lists exactly the reasons for which a record or row becomes a letter', () => {
  const reasons = written(
    'src/formats',
    /\.ts$/,
    /\breason: '([a-z0-9-]+)'/g,
    /\b(?:rejectRecord|abandon)\('([a-z0-9-]+)'/g,
    /\bout\.rejectRecord\(\s*'([a-z0-9-]+)'/g,
    /readonly reason: '([a-z-]+)' \| '([a-z-]+)' \| '([a-z-]+)'/g,
  );
  const refused = written('src/pipeline', /^tables\.ts$/, /refused: '([a-z-]+)'/g);
  assert.ok(reasons.includes('unordered-key-change') && refused.includes('index-taken'));
  assert.deepEqual(listed('### Of a record or row'), [...new Set([...reasons, ...refused])].sort());
});

test('the reasons of documents that docs/errors.md names are ones a document can be rejected for', () => {
  const types = new Set(written('src/sinks', /^elasticsearch-outcomes\.ts$/, /'([a-z_]+)'/g));
  const named = listed('### Of a document');
  assert.ok(named.length >= 5);
  for (const reason of named) assert.ok(types.has(reason), `${reason} is no outcome`);
});

test('docs/errors.md lists exactly the notices there are', () => {
  const said = written(
    'src/formats',
    /\.ts$/,
    /\bout\.notice\(\s*'([a-z-]+)'/g,
    /^ {2}\['([A-Z]+)', '(?:truncated|dropped|renamed)/gm,
  ).map((kind) => kind.toLowerCase());
  const recovery = written('src/pipeline', /^recovery\.ts$/, /type: 'notice', kind: '([a-z-]+)'/g);
  assert.ok(said.includes('truncate') && recovery.includes('not-redrivable'));
  assert.deepEqual(listed('## Notices'), [...said, ...recovery].sort());
});

test('an index that is held for its pairing, for the store or for itself is told with a code of its own', () => {
  const table: Table = { database: 'shop', name: 'orders', qualified: 'shop.orders', index: 'orders', mapping: null };
  const codeOf = (errorType: string): unknown =>
    lineOfEvent({ type: 'held', table, errorType, forMs: 5000 })?.fields.code;
  assert.equal(codeOf('paired-with-topic-crm'), 'E4003');
  assert.equal(codeOf('paired-with-table-crm.orders'), 'E4003');
  assert.equal(codeOf('pairing-unknown'), 'E4001');
  assert.equal(codeOf('cluster_block_exception'), 'E3002');
});
