import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store, StoredPosition } from '../../src/pipeline/ports.ts';
import { answerOf } from '../conformance/store-samples.ts';
import { memoryStore } from './running-recovery.ts';
import { ForgetfulIndex, GC_DELETES_MS, MINUTE, PAUSE_LIMIT_MS, RunningUpkeep } from './running-upkeep.ts';
import { SteadyClock } from './steady-clock.ts';

interface Case {
  readonly clock: SteadyClock;
  readonly index: ForgetfulIndex;
  readonly store: Store;
  readonly running: RunningUpkeep;
}

/** Upkeep that has been at rest for a moment. */
async function started(): Promise<Case> {
  const clock = new SteadyClock();
  const [index, store] = [new ForgetfulIndex(), await memoryStore()];
  const running = new RunningUpkeep(clock, store, index);
  await clock.pass(1000);
  return { clock, index, store, running };
}

/** R as the store has it after the next mirror. */
async function storedR({ clock, running }: Case): Promise<number | undefined> {
  await clock.pass(2000);
  return (await running.stored())?.deletesChecked;
}

test('a document that came back is deleted again two to four minutes later, with the version of its delete', async () => {
  const { clock, index, running } = await started();
  await running.deleteRow('a');
  index.documents.set('a', 0);
  await clock.pass(4 * MINUTE);
  assert.deepEqual(index.deletes, ['a@1']);
  assert.equal(index.documents.has('a'), false);
  assert.deepEqual(running.checks, [{ checked: 1, repeated: 1 }]);
  await running.stop();
});

test('a document that comes back later is found after gc_deletes', async () => {
  const { clock, index, running } = await started();
  await running.deleteRow('a');
  await clock.pass(10 * MINUTE);
  index.documents.set('a', 0);
  await clock.pass(10 * MINUTE);
  assert.deepEqual(index.deletes, []);
  await clock.pass(2 * GC_DELETES_MS, MINUTE);
  assert.deepEqual(index.deletes, ['a@1']);
  await running.stop();
});

test('a document with a newer version is not the one that was deleted, and stays', async () => {
  const { clock, index, running } = await started();
  await running.deleteRow('a');
  index.documents.set('a', 2);
  await clock.pass(2 * GC_DELETES_MS, MINUTE);
  assert.deepEqual(index.deletes, []);
  assert.ok(running.checks.every(({ repeated }) => repeated === 0));
  await running.stop();
});

test('an assignment begins with a check of every delete above R', async () => {
  const { clock, index, running, store } = await started();
  await running.deleteRow('a');
  await running.deleteRow('b');
  await running.stop();
  index.documents.set('b', 1);
  const next = new RunningUpkeep(clock, store, index, { startOffset: 2 });
  await clock.pass(1000);
  assert.deepEqual(index.deletes, ['b@2']);
  await next.stop();
});

test('deletes are checked again within half a minute after the index was started anew', async () => {
  const { clock, index, running } = await started();
  await running.deleteRow('a');
  await clock.pass(20 * MINUTE);
  index.documents.set('a', 0);
  index.instance = 'second start';
  await clock.pass(MINUTE / 2);
  assert.deepEqual(index.deletes, ['a@1']);
  await running.stop();
});

test('a restart of the index before it was ever asked for its instance leaves no delete unchecked', async () => {
  const clock = new SteadyClock();
  const [index, store] = [new ForgetfulIndex(), await memoryStore()];
  const running = new RunningUpkeep(clock, store, index);
  await clock.pass(1000);
  await running.deleteRow('a');
  index.documents.set('a', 0);
  index.instance = 'second start';
  await clock.pass(MINUTE / 2);
  assert.deepEqual(index.deletes, ['a@1']);
  await running.stop();
});

test('what the index forgets while a check is under way is checked once more', async () => {
  const { clock, index, running } = await started();
  await running.deleteRow('a');
  await clock.pass(10 * MINUTE);
  const answer = index.answersWait();
  index.instance = 'second start';
  await clock.pass(MINUTE / 2);
  index.instance = 'third start';
  await clock.pass(MINUTE / 2);
  answer();
  await clock.pass(10);
  index.documents.set('a', 0);
  await clock.pass(MINUTE / 2);
  assert.deepEqual(index.deletes, ['a@1']);
  await running.stop();
});

test('R passes a delete by a check that began a pause limit after it had settled, and not before', async () => {
  const it = await started();
  const { clock, index, running } = it;
  await running.deleteRow('a');
  await clock.pass(PAUSE_LIMIT_MS, MINUTE);
  assert.equal(await storedR(it), 0, 'the delete settled after the first candidate was taken');
  const questions = index.questions.length;
  await clock.pass(PAUSE_LIMIT_MS - 10 * MINUTE, MINUTE);
  assert.equal(await storedR(it), 0);
  await clock.pass(14 * MINUTE, MINUTE);
  assert.equal(await storedR(it), 1);
  assert.ok(index.questions.slice(questions).some((keys) => keys.includes('a')));
  await running.stop();
});

test('the check that moves R still finds a document that an instance brought back after a long pause', async () => {
  const it = await started();
  const { clock, index, running } = it;
  await running.deleteRow('a');
  await clock.pass(2 * PAUSE_LIMIT_MS - 10 * MINUTE, MINUTE);
  index.documents.set('a', 0);
  await clock.pass(20 * MINUTE, MINUTE);
  assert.equal(await storedR(it), 1);
  assert.deepEqual(index.deletes, ['a@1']);
  await running.stop();
});

test('a delete that settles while the check for R is under way has its own pause limit before it', async () => {
  const it = await started();
  const { clock, index, running } = it;
  await running.deleteRow('a');
  await clock.pass(PAUSE_LIMIT_MS + 5 * MINUTE, MINUTE);
  const answer = index.answersWait();
  await clock.pass(PAUSE_LIMIT_MS + 5 * MINUTE, MINUTE);
  await running.deleteRow('b');
  answer();
  assert.equal(await storedR(it), 1);
  await clock.pass(PAUSE_LIMIT_MS - 10 * MINUTE, MINUTE);
  assert.equal(await storedR(it), 1);
  await clock.pass(PAUSE_LIMIT_MS + 20 * MINUTE, MINUTE);
  assert.equal(await storedR(it), 2);
  await running.stop();
});

test('while the index cannot be asked R stays, and moves when it can', async () => {
  const it = await started();
  const { clock, index, running } = it;
  await running.deleteRow('a');
  index.isAway = true;
  await clock.pass(3 * PAUSE_LIMIT_MS, MINUTE);
  assert.equal(await storedR(it), 0);
  assert.equal(running.error, null);
  index.isAway = false;
  await clock.pass(PAUSE_LIMIT_MS + 10 * MINUTE, MINUTE);
  assert.equal(await storedR(it), 1);
  await running.stop();
});

test('a delete that the index does not take is sent until it does, and R waits for it', async () => {
  const it = await started();
  const { clock, index, running } = it;
  await running.deleteRow('a');
  index.documents.set('a', 0);
  index.refusal = { kind: 'hold', scope: 'index', errorType: 'cluster_block_exception' };
  await clock.pass(3 * PAUSE_LIMIT_MS, MINUTE);
  assert.equal(await storedR(it), 0);
  index.refusal = null;
  await clock.pass(MINUTE);
  assert.equal(index.documents.has('a'), false);
  await clock.pass(PAUSE_LIMIT_MS + 10 * MINUTE, MINUTE);
  assert.equal(await storedR(it), 1);
  await running.stop();
});

test('R is in the store though a position was being written when it moved', async () => {
  const clock = new SteadyClock();
  const [index, store] = [new ForgetfulIndex(), await memoryStore()];
  let open = (): void => undefined;
  let gate: Promise<void> | null = null;
  const savePositions = async (positions: readonly StoredPosition[]): Promise<void> => {
    await gate;
    await answerOf(store.savePositions(positions));
  };
  const running = new RunningUpkeep(clock, store, index, { changed: { savePositions } });
  await clock.pass(1000);
  await running.deleteRow('a');
  await clock.pass(2 * PAUSE_LIMIT_MS - 5 * MINUTE, MINUTE);
  gate = new Promise((resolve) => {
    open = resolve;
  });
  running.settleRecord();
  await clock.pass(10 * MINUTE, MINUTE);
  gate = null;
  open();
  await clock.pass(2000);
  assert.equal((await running.stored())?.deletesChecked, 1);
  await running.stop();
});

test('a key that was written again after its delete needs no check', async () => {
  const it = await started();
  const { clock, index, running } = it;
  await running.deleteRow('a');
  await running.writeRow('a');
  await clock.pass(GC_DELETES_MS, MINUTE);
  assert.deepEqual(index.questions, []);
  await running.stop();
});
