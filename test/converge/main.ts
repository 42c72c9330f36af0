import { parseArgs } from 'node:util';
import { converge } from './run.ts';
import { tableOf } from './table.ts';

const HELP = `Usage: npm run converge -- [--minutes N] [--seed S] [--faults N] [--rate N]

Runs real instances of sluice against real servers with faults everywhere, and compares the end with what was written.
Exit code 1 when anything is wrong; the logs then stay in a folder that is named.

  --minutes N   minutes of faults, fractions allowed (default 3)
  --seed S      plans the faults and the load (default: by chance)
  --faults N    fewer faults than this are a failure (default 0)
  --rate N      records a second, usually (default 300)`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    faults: { type: 'string', default: '0' },
    rate: { type: 'string', default: '300' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(HELP);
else {
  const numbers = { minutes: values.minutes, seed: values.seed, leastFaults: values.faults, perSecond: values.rate };
  const options = Object.fromEntries(Object.entries(numbers).map(([name, text]) => [name, Number(text)]));
  const { leastFaults = 0, minutes = 0, perSecond = 0, seed = 0 } = options;
  if (!(minutes > 0 && seed >= 0 && leastFaults >= 0 && perSecond > 0)) {
    console.error(`converge: a number is missing or out of range; see --help`);
    process.exitCode = 2;
  } else {
    // Exit handlers end the servers and the instances; a signal by itself would not run them.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
    console.log(`seed ${seed}`);
    try {
      const report = await converge({ minutes, seed, leastFaults, perSecond, print: (line) => console.log(line) });
      console.log(`\n${tableOf(report)}`);
      for (const problem of report.problems) console.log(`problem: ${problem}`);
      process.exitCode = report.problems.length === 0 ? 0 : 1;
    } catch (error) {
      console.error('converge: the run itself failed', error);
      process.exitCode = 1;
    }
  }
}
