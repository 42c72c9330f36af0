import assert from 'node:assert/strict';
import { test } from 'node:test';
import { converge } from '../../converge/run.ts';
import { tableOf } from '../../converge/table.ts';
import { killRunning } from '../../support/sluice-process.ts';

const LEAST_FAULTS = 20;

test('under faults of every link, process and server each key ends as it was written last', async (t) => {
  t.after(killRunning);
  const lines: string[] = [];
  const report = await converge({
    minutes: 2.25,
    seed: 4,
    leastFaults: LEAST_FAULTS,
    print: (line) => lines.push(line),
  });
  for (const line of tableOf(report).split('\n')) t.diagnostic(line);
  assert.deepEqual(report.problems, [], lines.join('\n'));
  const { extra, missing, stale, wrong } = report.difference;
  assert.deepEqual({ missing, extra, stale, wrong }, { missing: 0, extra: 0, stale: 0, wrong: 0 });
  assert.ok(report.changes > 0 && report.replays > 0 && report.rebalances > 0, 'the faults had consequences');
});
