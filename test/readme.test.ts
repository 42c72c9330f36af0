import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { commandLine } from '../src/cli/command-line.ts';
import { withKeyTables } from '../src/config/document.ts';
import { loadConfig } from '../src/config/load.ts';
import { withoutSettings } from './support/sluice-process.ts';

const root = join(import.meta.dirname, '..');
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const readme = textOf('README.md');
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...pagesOf('docs'), ...pagesOf('docs/decisions')];
const manifest = JSON.parse(textOf('package.json'));
const execute = promisify(execFile);

const folder = mkdtempSync(join(tmpdir(), 'sluice-readme-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function pagesOf(directory: string): string[] {
  return readdirSync(join(root, directory))
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(directory, file));
}

/** Blocks of code of a language, or of none. */
function blocks(page: string, language: string): string[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , code = '']) => code);
}

/** The only block of a language. */
function block(page: string, language: string): string {
  const [code, ...others] = blocks(page, language);
  assert.ok(code !== undefined && others.length === 0, `one ${language} block`);
  return code;
}

/** What a program imports, in whatever lines, and what it does. */
function partsOf(program: string): { imports: string[]; body: string } {
  const pattern = /^import \{([^}]*)\} from ('[^']+');\n/gm;
  const imports = [...program.matchAll(pattern)].flatMap(([, names = '', from]) =>
    names.split(',').flatMap((name) => (name.trim() === '' ? [] : [`${name.trim()} ${from}`])),
  );
  return { imports: imports.sort(), body: program.replaceAll(pattern, '').trim() };
}

test('the README is at most 250 lines', () => {
  assert.ok(readme.split('\n').length <= 251);
});

test('every npm script that a page names is one of package.json', () => {
  const named = pages.flatMap((file) =>
    [...textOf(file).matchAll(/\bnpm (?:run (?:-s )?([a-z](?:[\w:-]*\w)?)|(start|test))\b/g)].map(([, run, name]) => ({
      file,
      name: run ?? name ?? '',
    })),
  );
  const builtIn = new Set(['ci', 'run', 'install']);
  assert.ok(named.some(({ name }) => name === 'start') && named.some(({ name }) => name === 'test:fast'));
  for (const { file, name } of named)
    assert.ok(builtIn.has(name) || name in manifest.scripts, `${file}: npm run ${name}`);
});

test('every sluice command that a page shows exists, with every option it is shown with', async () => {
  const lines = pages.flatMap((file) =>
    blocks(textOf(file), 'sh')
      .concat(blocks(textOf(file), ''))
      .flatMap((code) => code.split('\n'))
      .map((line) => /^(?:npm run sluice -- |sluice )([a-z].*)$/.exec(line.replace(/\s+#.*/, ''))?.[1])
      .filter((line) => line !== undefined),
  );
  assert.ok(lines.length >= 5);
  for (const line of lines) {
    const [name = '', ...words] = line.split(' ');
    const said: string[] = [];
    const output = { result: (text: string) => void said.push(text), message: (text: string) => void said.push(text) };
    assert.equal(await commandLine([name, '--help'], output), 0, line);
    for (const word of words.filter((one) => one.startsWith('--')))
      assert.ok(said.join('\n').includes(word), `${line}: ${word}`);
    if (/^[a-z]+$/.test(words[0] ?? '')) assert.ok(said.join('\n').includes(words[0] as string), line);
  }
});

test('every link and every path that a page names exists', () => {
  for (const file of pages) {
    const text = textOf(file);
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target)) continue;
      assert.ok(existsSync(join(root, dirname(file), target)), `${file}: ${target}`);
    }
    for (const [, path = ''] of text.matchAll(
      /`((?:src|test|docs|marbles|examples|deploy|scripts|bench|demo)\/[\w./-]+)`/g,
    ))
      assert.ok(existsSync(join(root, path)), `${file}: ${path}`);
    for (const [, path = ''] of text.matchAll(/\bnode ((?:\w[\w-]*\/)+[\w.-]+\.m?[jt]s)\b/g))
      assert.ok(existsSync(join(root, path)), `${file}: node ${path}`);
  }
});

test('the pipeline of the README is examples/quick-start.ts, and runs against the built package', async () => {
  const code = block(readme, 'ts');
  assert.deepEqual(
    partsOf(code.replaceAll("'sluice'", "'../src/index.ts'")),
    partsOf(textOf('examples/quick-start.ts')),
  );
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  await execute(process.execPath, [
    compiler,
    '-p',
    join(root, 'tsconfig.build.json'),
    '--outDir',
    join(folder, 'dist'),
  ]);
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'quick-start.ts'), code);
  const { stdout } = await execute(process.execPath, ['quick-start.ts'], {
    cwd: folder,
    env: { ...withoutSettings(process.env), SLUICE_SOURCE_PATH: join(root, 'demo/canal-shop.ndjson') },
  });
  const settled = new Set(stdout.split('\n').map((line) => line.split(' ')[0]));
  assert.deepEqual(settled, new Set(['shop.orders', 'shop.order_items', 'shop_archive.orders', '']));
});

test('the configuration of the README is examples/sluice.yaml and loads', () => {
  assert.equal(block(readme, 'yaml'), textOf('examples/sluice.yaml'));
  const environment = { MYSQL_PASSWORD: 'only for a test', ELASTIC_API_KEY: 'only for a test' };
  const config = loadConfig({ file: join(root, 'examples/sluice.yaml'), environment });
  const { buffer, index, journal, source } = config;
  assert.deepEqual([source.type, buffer.type, journal.type, index.type], ['kafka', 'redis', 'mysql', 'elasticsearch']);
  assert.equal(config.tables.length, 3);
});

test('keys, variables and defaults of the README are those of the schema', () => {
  const rowsOf = (page: string): string[] =>
    [...page.matchAll(/^\| (`[^|]+` \| [^|]* \| [^|]*) \|/gm)].map(([, row = '']) => row);
  const known = new Set(rowsOf(withKeyTables(textOf('docs/configuration.md'))));
  const shown = rowsOf(readme.split('\n## Configuration\n')[1]?.split('\n## ')[0] ?? '');
  assert.ok(shown.length >= 15);
  for (const row of shown) assert.ok(known.has(row), row);
});

test('every metric that the README names is listed in docs/metrics.md', () => {
  const names = [...readme.matchAll(/`(sluice_\w+)`/g)].map(([, name = '']) => name);
  assert.ok(names.length >= 3);
  for (const name of names) assert.ok(textOf('docs/metrics.md').includes(`| \`${name}\` |`), name);
});

test('the demo prints what the README shows', async () => {
  const { stdout } = await execute(process.execPath, ['src/cli/main.ts', 'demo', '--out', join(folder, 'demo')], {
    cwd: root,
    env: withoutSettings(process.env),
  });
  const shown = blocks(readme, '').find((code) => code.startsWith('table ')) ?? '';
  // How many writes it takes depends on how many windows a slow machine needs; all else is as shown.
  const said = (text: string): string[] =>
    text
      .split('\n')
      .map((line) => line.trim().split(/\s{2,}/))
      .filter((cells) => cells.length === 5)
      .map(([name, changes, , documents, letters]) => [name, changes, documents, letters].join(' '));
  const lines = said(shown);
  assert.ok(lines.length >= 6);
  const printed = new Set(said(stdout));
  for (const line of lines) assert.ok(printed.has(line), line);
  assert.match(stdout, /^399 records held 620 row changes; \d+ writes were enough \(\d+ % saved\)\.$/m);
});

test('every test that docs/delivery.md names exists, in the file it names', () => {
  const named = [...textOf('docs/delivery.md').matchAll(/`((?:test|marbles)\/[\w./-]+\.ts)`: “([^”]+)”/g)];
  assert.ok(named.length >= 10);
  for (const [, file = '', name = ''] of named) {
    const names = [...textOf(file).matchAll(/\b(?:test|it)\(\s*(['"`])(.*?)\1/g)].map(([, , title]) => title);
    assert.ok(names.includes(name), `${file}: ${name}`);
  }
});
