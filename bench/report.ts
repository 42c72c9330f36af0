import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withResults } from './report/page.ts';
import { plotsOf } from './report/plots.ts';
import { readResult } from './report/result.ts';

const USAGE = `Usage: npm run bench:report -- [options] RESULT.json [MORE.json …]

Writes the tables of results that --json wrote into docs/performance.md, and their plots beside it.

  --page FILE      the page, with the two marker lines; plots go into the folder "performance" beside it
  --help`;

/** Nothing is written unless everything could be read and drawn. Plots of results that are not given any more are removed. */
function report(page: string, files: readonly string[]): void {
  const results = files.map(readResult);
  const names = results.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new Error(`two results are called ${twice}: rename one of the files`);
  const text = withResults(readFileSync(page, 'utf8'), results);
  const plots = results.flatMap(plotsOf);
  const folder = join(page, '..', 'performance');
  mkdirSync(folder, { recursive: true });
  for (const old of readdirSync(folder).filter((file) => file.endsWith('.svg'))) rmSync(join(folder, old));
  for (const { file, svg } of plots) writeFileSync(join(folder, file), svg);
  writeFileSync(page, text);
  console.log(`${page}: ${results.length} results, ${plots.length} plots`);
}

try {
  const { values, positionals } = parseArgs({
    options: { page: { type: 'string' }, help: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (values.help) console.log(USAGE);
  else if (positionals.length === 0) throw new Error(`which result? See npm run bench:report -- --help`);
  else report(values.page ?? join(import.meta.dirname, '../docs/performance.md'), positionals);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
