import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.m?ts$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

const sources = filesBelow('src');
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
/** Specifiers of a file's imports, relative ones as paths from the root. */
function importsOf(file: string): string[] {
  return [...textOf(file).matchAll(/(?:from|import)\s*\(?'([^']+)'/g)].map(([, specifier = '']) =>
    specifier.startsWith('.') ? relative(root, join(root, dirname(file), specifier)) : specifier,
  );
}

test('every operator has a marble file of its name', () => {
  const pureParts = new Set([
    'delivery.ts',
    'entry.ts',
    'fold.ts',
    'key-index.ts',
    'newest-per-key.ts',
    'outcome-groups.ts',
    'slots.ts',
    'suspects.ts',
    'table-fold.ts',
    'window-loop.ts',
  ]);
  const operators = sources.filter((file) => file.startsWith('src/operators/') && !pureParts.has(basename(file)));
  assert.ok(operators.length >= 9);
  const marbles = new Set(filesBelow('marbles').map((file) => basename(file)));
  for (const file of operators)
    assert.ok(marbles.has(basename(file).replace('.ts', '.marbles.ts')), `${file} has no marbles`);
});

test('only the adapters of a system know its client', () => {
  const homes: Record<string, RegExp> = {
    kafkajs: /^src\/sources\/kafka/,
    ioredis: /^src\/sinks\/redis-/,
    mysql2: /^src\/sinks\/mysql-/,
    'mysql2/promise': /^src\/sinks\/mysql-/,
    '@elastic/elasticsearch': /^src\/sinks\/elasticsearch-/,
    'node:sqlite': /^src\/sinks\/sqlite-/,
  };
  for (const file of sources) {
    for (const specifier of importsOf(file)) {
      const home = homes[specifier];
      if (home !== undefined) assert.match(file, home, `${file} imports ${specifier}`);
    }
  }
});

test('operators know domain types, ports and their own parts; sinks, sources and formats know no operator', () => {
  for (const file of sources) {
    for (const specifier of importsOf(file)) {
      if (file.startsWith('src/operators/')) {
        assert.doesNotMatch(specifier, /^src\/(sinks|sources|formats|config|cli)\//, `${file} imports ${specifier}`);
      }
      if (/^src\/(sinks|sources|formats)\//.test(file)) {
        assert.doesNotMatch(specifier, /^src\/(operators|config|cli)\//, `${file} imports ${specifier}`);
      }
    }
  }
});

test('time in operators and pipeline comes from the scheduler passed in', () => {
  const clocks = /\b(Date\.now|new Date\(\)|setTimeout|setInterval|performance\.now)\b/;
  const exempt = new Set(['src/pipeline/http-server.ts']);
  for (const file of sources.filter((one) => /^src\/(operators|pipeline)\//.test(one) && !exempt.has(one))) {
    assert.doesNotMatch(textOf(file), clocks, file);
  }
});

test('only configuration reads the environment', () => {
  for (const file of sources.filter((one) => !one.startsWith('src/config/'))) {
    assert.doesNotMatch(textOf(file), /process\.env/, file);
  }
});

test('no source file is longer than 250 lines', () => {
  for (const file of sources) assert.ok(textOf(file).split('\n').length <= 251, `${file} is too long`);
});

test('tests assert, do not sleep and are not skipped or singled out', () => {
  for (const file of [...filesBelow('test'), ...filesBelow('marbles')]) {
    const text = textOf(file);
    assert.doesNotMatch(text, /\b(test|it|describe)\.(only|skip|todo)\b|\{ *skip: *true/, file);
    if (file.endsWith('.test.ts') || file.endsWith('.marbles.ts')) {
      assert.match(text, /assert|expectObservable|Conformance\(/, `${file} asserts nothing`);
    }
  }
});
