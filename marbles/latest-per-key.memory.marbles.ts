import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { concat, map, NEVER, pipe, tap, timer, VirtualTimeScheduler } from 'rxjs';
import { entryOf } from '../src/operators/entry.ts';
import { latestPerKey } from '../src/operators/latest-per-key.ts';
import { TableFold } from '../src/operators/table-fold.ts';
import { changeOf, tableNamed } from './change-words.ts';
import { foldOptions, index } from './fold-words.ts';
import { wordLog } from './word-log.ts';

const WINDOW_MS = 6;

/** Collects all garbage once this job is over: until then weak references are strong. */
async function collectGarbage(): Promise<void> {
  await setImmediate();
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

test('what was taken is not kept, though the fold is never empty', async () => {
  const scheduler = new VirtualTimeScheduler(undefined, 40_000);
  const log = wordLog();
  const entered: WeakRef<object>[] = [];
  let version = 0;
  // Each window has keys of its own, and a slow index takes a batch when the next keys have come.
  const arrivals = timer(1, WINDOW_MS / 2, scheduler).pipe(
    map(() => {
      version += 1;
      const batch = log.read('');
      const change = { ...changeOf(`a${version}`), key: `key ${version % 500}` };
      entered.push(new WeakRef(change));
      return { ...batch, changes: [change] };
    }),
  );
  let taken = 0;
  const slow = pipe(
    latestPerKey(foldOptions({ scheduler, log, windowMs: WINDOW_MS, batch: { documents: 1, bytes: 1 << 20 } })),
    index(1, () => timer(WINDOW_MS / 2 + 1, scheduler)),
    tap(({ entries }) => {
      taken += entries.length;
    }),
  );
  const running = concat(arrivals, NEVER).pipe(slow).subscribe();
  scheduler.flush();
  await collectGarbage();
  const alive = entered.filter((ref) => ref.deref() !== undefined).length;
  assert.ok(taken > 5000, `${taken} were taken`);
  assert.ok(alive <= 600, `${alive} of ${entered.length} changes are kept`);
  assert.ok(!running.closed);
});

test('the places of what was taken are given up too', async () => {
  const fold = new TableFold(tableNamed(), 0);
  const { ticket } = wordLog().read('a1');
  const entry = entryOf(changeOf('a1'), ticket, 0);
  const pass = (passes: number): void => {
    for (let i = 0; i < passes; i += 1) {
      fold.push(entry);
      fold.close();
      let taken = 0;
      // One is left behind each time, so that the fold never is empty.
      if (fold.size > 1) fold.takeWhile(() => taken++ === 0);
    }
  };
  pass(10_000);
  await collectGarbage();
  const before = process.memoryUsage().heapUsed;
  pass(1_000_000);
  await collectGarbage();
  const growth = process.memoryUsage().heapUsed - before;
  assert.ok(growth < 4 << 20, `${growth} bytes more`);
  assert.equal(fold.size, 1);
});
