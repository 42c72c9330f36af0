import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MUTANTS, type Mutant } from '../test/simulation/mutants/mutants.ts';

interface Verdict {
  readonly runs: number;
  readonly found: { readonly seed: number; readonly violation: string } | null;
}

const { values } = parseArgs({ options: { runs: { type: 'string', default: '20000' }, only: { type: 'string' } } });
const root = join(import.meta.dirname, '..');

/** Guards that only a few runs in many thousands come to. */
const PATIENCE = 4;

/** Each in a process of its own, whose modules are the mutant's. */
function verdictOn({ masked, name }: Mutant): Verdict {
  const script = join(root, 'test/simulation/mutants/run-one.ts');
  const runs = masked === undefined ? PATIENCE * Number(values.runs) : Number(values.runs);
  const { status, stderr, stdout } = spawnSync(process.execPath, [script, name, String(runs)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mutant ${name} cannot be run: ${stderr}`);
  return JSON.parse(stdout) as Verdict;
}

const chosen = MUTANTS.filter(({ name }) => values.only === undefined || name.includes(values.only));
const rows: string[] = [];
let survivors = 0;
for (const mutant of chosen) {
  const { found, runs } = verdictOn(mutant);
  const isMasked = found === null && mutant.masked !== undefined;
  if (found === null && !isMasked) survivors += 1;
  const after = found === null ? `not in ${runs}${isMasked ? ` (masked: ${mutant.masked})` : ''}` : `${runs}`;
  const how = found === null ? '' : found.violation.split('\n')[0]?.slice(0, 110);
  rows.push(`| ${mutant.name} | ${mutant.guard} | ${after} | ${how?.replaceAll('|', '/')} |`);
  console.log(`${mutant.name.padEnd(28)} ${after.padEnd(10)} ${how}`);
}
console.log(`${chosen.length} mutants, ${survivors} survived that nothing masks`);
if (values.only === undefined) {
  const text = `# Mutants

Each row is the core with one guard switched off, alone or with those that stand behind it, and the number of runs of the
simulation (seeds from 1 on) until it was found. Where another guard hides a mutant, that one is named, and the row after
it has both off. A mutant that is not found in ${PATIENCE * Number(values.runs)} runs, and that nothing is known to mask, fails the command.

Written by \`npm run mutants\`; how a mutant is made: \`test/simulation/mutants\`.

| mutant | guard that is off | runs until found | first sign |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
  writeFileSync(join(root, 'docs/mutants.md'), text);
}
process.exitCode = survivors > 0 ? 1 : 0;
