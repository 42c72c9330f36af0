import { MUTANTS } from './mutants.ts';
import { patchSources } from './patch.ts';

/** Runs one mutant until the simulation finds it, and tells as JSON after how many runs. */
const [, , name, limit = '20000'] = process.argv;
const mutant = MUTANTS.find((one) => one.name === name);
if (mutant === undefined) throw new Error(`there is no mutant ${name}`);
const patched = patchSources(mutant.patches);
const { runBatch } = await import('../batch.ts');
if (!patched.loaded()) throw new Error(`a file that ${name} changes is not part of the simulation`);
const { failures, runs } = await runBatch({
  seed: 1,
  isOver: (done, failed) => failed.length > 0 || done >= Number(limit),
});
const [failure] = failures;
const found = failure === undefined ? null : { seed: failure.seed, violation: failure.violations[0] };
console.log(JSON.stringify({ runs, found }));
