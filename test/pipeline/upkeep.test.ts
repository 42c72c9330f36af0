import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { NEVER, of, type SchedulerLike } from 'rxjs';
import type { StoredPosition } from '../../src/pipeline/ports.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { type UpkeepOptions, upkeep } from '../../src/pipeline/upkeep.ts';
import { answerOf } from '../conformance/store-samples.ts';
import { memoryStore } from './running-recovery.ts';
import { ForgetfulIndex, HOUR, MINUTE, NOTHING, PAUSE_LIMIT_MS, RunningUpkeep } from './running-upkeep.ts';
import { SteadyClock } from './steady-clock.ts';

test('a position that moved is in the store within a second, with its anchor', async () => {
  const clock = new SteadyClock();
  const running = new RunningUpkeep(clock, await memoryStore(), new ForgetfulIndex());
  await clock.pass(10);
  running.settleRecord();
  running.settleRecord();
  await clock.pass(1000);
  const stored = await running.stored();
  assert.equal(stored?.settled, 2);
  assert.deepEqual(stored.anchor, { offset: 1, timestampMs: 1001, hash: 'h1' });
  await running.stop();
});

test('a position is written when it has moved, not every second, and again after a failure', async () => {
  const clock = new SteadyClock();
  const store = await memoryStore();
  let isAway = false;
  const saved: number[] = [];
  const savePositions = async (positions: readonly StoredPosition[]): Promise<void> => {
    saved.push(positions[0]?.settled ?? -1);
    if (isAway) throw new Error('away');
    await answerOf(store.savePositions(positions));
  };
  const running = new RunningUpkeep(clock, store, new ForgetfulIndex(), { changed: { savePositions } });
  await clock.pass(1500);
  running.settleRecord();
  await clock.pass(MINUTE);
  assert.deepEqual(saved, [0, 1]);
  isAway = true;
  running.settleRecord();
  await clock.pass(3000);
  isAway = false;
  await clock.pass(MINUTE);
  assert.deepEqual(saved, [0, 1, 2, 2, 2, 2]);
  assert.equal((await running.stored())?.settled, 2);
  assert.equal(running.error, null);
  await running.stop();
});

test('a partition that was given away is not written any more', async () => {
  const clock = new SteadyClock();
  const running = new RunningUpkeep(clock, await memoryStore(), new ForgetfulIndex());
  running.settleRecord();
  await clock.pass(2000);
  running.settleRecord();
  running.log.retire();
  await clock.pass(MINUTE);
  assert.equal((await running.stored())?.settled, 1);
  await running.stop();
});

test('a store that is away at the assignment is asked again, and nothing of what it knows is overwritten meanwhile', async () => {
  const clock = new SteadyClock();
  const store = await memoryStore();
  const known = { topic: 'shop', partition: 0, settled: 50, anchor: { offset: 49, timestampMs: 1, hash: 'h' } };
  await answerOf(store.savePositions([{ ...known, deletesChecked: 40, candidate: 45, candidateSinceMs: 7 }]));
  let isAway = true;
  const positions = async (topic: string): Promise<readonly StoredPosition[]> => {
    if (isAway) throw new Error('away');
    return await store.positions(topic);
  };
  const running = new RunningUpkeep(clock, store, new ForgetfulIndex(), { startOffset: 50, changed: { positions } });
  await clock.pass(MINUTE);
  isAway = false;
  running.settleRecord();
  await clock.pass(MINUTE);
  const { candidate, candidateSinceMs, deletesChecked, settled } = (await running.stored()) as StoredPosition;
  assert.deepEqual(
    { candidate, candidateSinceMs, deletesChecked, settled },
    { candidate: 45, candidateSinceMs: 7, deletesChecked: 40, settled: 51 },
  );
  assert.equal(running.error, null);
  await running.stop();
});

test('a new assignment goes on with what the one before knew of delete checks', async () => {
  const clock = new SteadyClock();
  const [store, index] = [await memoryStore(), new ForgetfulIndex()];
  const first = new RunningUpkeep(clock, store, index);
  await first.deleteRow('a');
  await clock.pass(PAUSE_LIMIT_MS / 2, MINUTE);
  await first.stop();
  const second = new RunningUpkeep(clock, store, index, { startOffset: 1 });
  await clock.pass(PAUSE_LIMIT_MS + 4 * MINUTE, MINUTE);
  await clock.pass(2000);
  assert.equal(
    (await second.stored())?.candidate,
    1,
    'the first candidate was the start; the next is what had settled then',
  );
  await second.stop();
});

test('once an hour old rows are purged in slices, with a pause between, until none is left', async () => {
  const clock = new SteadyClock();
  const calls: { atMs: number; beforeMs: number; slice: number }[] = [];
  let rows = 2500;
  const purge = (beforeMs: number, slice: number) => {
    calls.push({ atMs: clock.now(), beforeMs, slice });
    const deleted = Math.min(rows, slice);
    rows -= deleted;
    return of(deleted);
  };
  const running = upkeep({ ...optionsOf(clock), store: { ...NOTHING, purge } }).subscribe();
  clock.advance(HOUR - 1);
  assert.deepEqual(calls, []);
  clock.advance(HOUR);
  assert.deepEqual(
    calls.map(({ atMs }) => atMs),
    [HOUR, HOUR + 50, HOUR + 100, HOUR + 150],
  );
  assert.ok(calls.every(({ atMs, beforeMs, slice }) => beforeMs === atMs - 24 * HOUR && slice === 1000));
  running.unsubscribe();
});

test('a purge that fails is tried again in the next hour', async () => {
  const clock = new SteadyClock();
  let calls = 0;
  const purge = async (): Promise<number> => {
    calls += 1;
    throw new Error('away');
  };
  const running = upkeep({ ...optionsOf(clock), store: { ...NOTHING, purge } }).subscribe();
  for (let hour = 0; hour < 3; hour += 1) await clock.pass(HOUR, MINUTE);
  assert.equal(calls, 3);
  running.unsubscribe();
});

test('ten thousand slices are purged in a row, not inside each other', async () => {
  const clock = new SteadyClock();
  let left = 10_000;
  const purge = () => of(left-- > 0 ? 1000 : 0);
  const running = upkeep({ ...optionsOf(clock), store: { ...NOTHING, purge } }).subscribe();
  clock.advance(HOUR + 10_000 * 50);
  assert.equal(left, -1);
  running.unsubscribe();
  await turn();
});

test('a gc_deletes of months is no timer that never rests', () => {
  const waits: number[] = [];
  const clock = new SteadyClock();
  const scheduler: SchedulerLike = {
    now: () => clock.now(),
    schedule: (work, delayMs = 0, state) => {
      waits.push(delayMs);
      return clock.schedule(work as never, delayMs, state);
    },
  };
  const assignments = of({ generation: 1, partitions: [new PartitionLog('shop', 0, 0)] });
  const options = { ...optionsOf(clock), assignments, gcDeletesMs: 90 * 24 * HOUR, scheduler };
  const running = upkeep({ ...options, store: { ...NOTHING, purge: () => of(0) } }).subscribe();
  clock.advance(10);
  assert.ok(Math.max(...waits) > 24 * HOUR);
  assert.ok(Math.max(...waits) <= 2 ** 31 - 1, 'a longer one is taken for a millisecond');
  running.unsubscribe();
});

/** Everything but the store, for upkeep of no partition. */
function optionsOf(scheduler: SteadyClock): Omit<UpkeepOptions, 'store'> {
  const spans = { pauseLimitMs: PAUSE_LIMIT_MS, gcDeletesMs: HOUR, keepMs: 24 * HOUR };
  return { ...spans, index: new ForgetfulIndex(), assignments: NEVER, report: () => undefined, scheduler };
}
