import { parseArgs } from 'node:util';
import { runBatch } from '../test/simulation/batch.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    failures: { type: 'string', default: '10' },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(values.runs ?? (values.minutes === undefined ? 20_000 : Number.POSITIVE_INFINITY));
const limitMs = Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
const most = Number(values.failures);
if (![seed, runs, limitMs, most].every((number) => number > 0 || number === 0)) {
  console.error('usage: npm run simulate -- [--runs N | --minutes M] [--seed S] [--failures F]');
  process.exit(2);
}

console.log(`seed ${seed}`);
const startedMs = performance.now();
let told = 0;
const batch = await runBatch({
  seed,
  isOver: (done, failures) => {
    for (; told < failures.length; told += 1) {
      const failure = failures[told];
      console.log(`seed ${failure?.seed} fails:\n  ${failure?.violations.join('\n  ')}`);
    }
    return done >= runs || told >= most || performance.now() - startedMs > limitMs;
  },
});

const seconds = (performance.now() - startedMs) / 1000;
for (const [name, times] of [...batch.sometimes.counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  console.log(`${String(times).padStart(10)}  ${name}`);
const perSecond = Math.round(batch.runs / seconds);
console.log(
  `${batch.runs} runs of seeds ${seed} to ${seed + batch.runs - 1} in ${seconds.toFixed(1)} s, ${perSecond} a second`,
);
console.log(`${batch.steps} steps, longest way back to rest ${batch.longestRestMs / 1000} s of virtual time`);
console.log(`${batch.failures.length} failed`);
process.exitCode = batch.failures.length > 0 ? 1 : 0;
