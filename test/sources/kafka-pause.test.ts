import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualTimeScheduler } from 'rxjs';
import { InFlight } from '../../src/pipeline/position.ts';
import { KafkaPause } from '../../src/sources/kafka-pause.ts';
import type { SourceEvent } from '../../src/sources/source-event.ts';

test('reading goes on only when every reason to pause is gone', () => {
  const { inFlight, pause, state } = fakePause();
  pause.check([{ topic: 'shop', partitions: [0, 1] }]);
  assert.deepEqual(state, { isPaused: true });
  inFlight.add(100, 0);
  pause.whenFull();
  pause.checked();
  assert.deepEqual(state, { isPaused: true });
  inFlight.add(-20, 0);
  assert.deepEqual(state, { isPaused: true });
  inFlight.add(-5, 0);
  assert.deepEqual(state, { isPaused: false });
  pause.end();
  assert.deepEqual(state, { isPaused: true });
});

test('a share that was read before is paused anew for its checks, and the limit still counts after them', () => {
  const { inFlight, pause, state } = fakePause();
  pause.check([{ topic: 'shop', partitions: [0] }]);
  pause.checked();
  state.isPaused = false; // kafkajs pauses nothing that is new
  inFlight.add(100, 0);
  pause.whenFull();
  pause.check([{ topic: 'shop', partitions: [1] }]);
  pause.checked();
  assert.deepEqual(state, { isPaused: true });
  inFlight.add(-100, 0);
  assert.deepEqual(state, { isPaused: false });
});

test('pauses are told when they begin and end, and a check is not one', () => {
  const { events, inFlight, pause } = fakePause();
  pause.check([{ topic: 'shop', partitions: [0] }]);
  pause.checked();
  inFlight.add(100, 0);
  pause.whenFull();
  pause.whenFull();
  inFlight.add(-100, 0);
  assert.deepEqual(
    events.map((event) => event.type === 'paused' && event.isPaused),
    [true, false],
  );
});

test('a pause between a crash and the restart harms nobody', () => {
  const inFlight = new InFlight({ bytes: 100, changes: 100 });
  const consumer = {
    pause: () => {
      throw new Error('consumer group was not initialized');
    },
    resume: () => {
      throw new Error('consumer group was not initialized');
    },
  };
  const pause = new KafkaPause(consumer, { inFlight, onEvent: () => undefined, scheduler: new VirtualTimeScheduler() });
  pause.check([{ topic: 'shop', partitions: [0] }]);
  inFlight.add(100, 0);
  pause.whenFull();
  assert.doesNotThrow(() => inFlight.add(-100, 0));
});

test('a batch that finds no room waits until a quarter is free, and nothing is paused', async () => {
  const { inFlight, pause, scheduler, state } = fakePause();
  pause.check([{ topic: 'shop', partitions: [0] }]);
  pause.checked();
  assert.equal(await pause.room(), true);
  inFlight.add(100, 0);
  const room = settled(pause.room());
  inFlight.add(-24, 0);
  await turn();
  assert.equal(room.value, null);
  inFlight.add(-1, 0);
  await turn();
  assert.equal(room.value, true);
  pause.whenFull();
  assert.deepEqual(state, { isPaused: false });
  scheduler.flush();
  assert.equal(scheduler.frame, 0, 'the wait has left nothing on the clock');
});

test('a batch waits half a second for room, and those behind it in a pause do not', async () => {
  const { inFlight, pause, scheduler, state } = fakePause();
  pause.check([{ topic: 'shop', partitions: [0] }]);
  pause.checked();
  inFlight.add(100, 0);
  const room = settled(pause.room());
  scheduler.flush();
  await turn();
  assert.deepEqual([room.value, scheduler.frame], [false, 500]);
  pause.whenFull();
  assert.deepEqual(state, { isPaused: true });
  assert.equal(await pause.room(), false);
  inFlight.add(-100, 0);
  assert.equal(await pause.room(), true);
});

test('a batch that waits for room is let go when intake ends', async () => {
  const { inFlight, pause } = fakePause();
  pause.check([{ topic: 'shop', partitions: [0] }]);
  pause.checked();
  inFlight.add(100, 0);
  const room = settled(pause.room());
  pause.end();
  await turn();
  assert.equal(room.value, false);
  assert.equal(await pause.room(), false);
});

function fakePause() {
  const inFlight = new InFlight({ bytes: 100, changes: 100 });
  const state = { isPaused: false };
  const events: SourceEvent[] = [];
  const consumer = {
    pause: () => {
      state.isPaused = true;
    },
    resume: () => {
      state.isPaused = false;
    },
  };
  const scheduler = new VirtualTimeScheduler();
  const pause = new KafkaPause(consumer, { inFlight, onEvent: (event) => events.push(event), scheduler });
  return { events, inFlight, pause, scheduler, state };
}

/** What a promise has come to so far; null for nothing. */
function settled(promise: Promise<boolean>): { value: boolean | null } {
  const found: { value: boolean | null } = { value: null };
  void promise.then((value) => {
    found.value = value;
  });
  return found;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
