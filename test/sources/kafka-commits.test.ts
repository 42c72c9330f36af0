import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { KafkaCommits } from '../../src/sources/kafka-commits.ts';
import { KafkaPause } from '../../src/sources/kafka-pause.ts';
import type { SourceEvent } from '../../src/sources/source-event.ts';

type Offsets = readonly { topic: string; partition: number; offset: string }[];

test('a commit holds what settled since the last one, and nothing is sent when nothing did', async () => {
  const { broker, commits } = fakeGroup();
  const [log] = [new PartitionLog('shop', 0, 0), new PartitionLog('shop', 1, 7)];
  commits.begin([log, new PartitionLog('shop', 1, 7)]);
  assert.equal(await commits.commit(), 0);
  settle(log, 5);
  assert.equal(await commits.commit(), 1);
  assert.equal(await commits.commit(), 0);
  settle(log, 9);
  assert.equal(await commits.commit(), 1);
  assert.deepEqual(broker.sent, [
    [{ topic: 'shop', partition: 0, offset: '5' }],
    [{ topic: 'shop', partition: 0, offset: '9' }],
  ]);
});

test('what settles under an earlier assignment is never committed', async () => {
  const { broker, commits } = fakeGroup();
  const before = new PartitionLog('shop', 0, 0);
  const ticket = before.admit(0, 5, null);
  commits.begin([before]);
  before.retire();
  commits.begin([new PartitionLog('shop', 0, 0)]);
  ticket.journaled();
  ticket.release();
  assert.equal(await commits.commit(), 0);
  assert.deepEqual(broker.sent, []);
});

test('a commit that the broker never saw is an error, and is sent again', async () => {
  const { broker, commits } = fakeGroup();
  const log = new PartitionLog('shop', 0, 0);
  commits.begin([log]);
  settle(log, 5);
  broker.isDeaf = true; // kafkajs resolves and sends nothing once it is stopping
  await assert.rejects(commits.commit(), { code: 'E2001', retriable: true });
  broker.isDeaf = false;
  assert.equal(await commits.commit(), 1);
});

test('a late commit of the past that the broker took is put right by the next one', async () => {
  const { broker, commits } = fakeGroup();
  const log = new PartitionLog('shop', 0, 0);
  commits.begin([log]);
  settle(log, 9);
  await commits.commit();
  broker.accept([{ topic: 'shop', partition: 0, offset: '5' }]);
  assert.equal(await commits.commit(), 1);
  assert.equal(broker.sent.at(-1)?.[0]?.offset, '9');
});

test('commits do not overtake each other', async () => {
  const { broker, commits } = fakeGroup();
  const log = new PartitionLog('shop', 0, 0);
  commits.begin([log]);
  settle(log, 5);
  const first = commits.commit();
  settle(log, 9);
  await Promise.all([first, commits.commit()]);
  assert.deepEqual(
    broker.sent.map(([one]) => one?.offset).sort(),
    broker.sent.map(([one]) => one?.offset),
  );
  assert.equal(broker.sent.at(-1)?.[0]?.offset, '9');
});

test('reading goes on only when every reason to pause is gone', () => {
  const { inFlight, pause, state } = fakePause();
  pause.check([{ topic: 'shop', partitions: [0, 1] }]);
  assert.deepEqual(state, { isPaused: true });
  inFlight.add(100, 0);
  pause.whenFull();
  pause.checked();
  assert.deepEqual(state, { isPaused: true });
  inFlight.add(-40, 0);
  assert.deepEqual(state, { isPaused: true });
  inFlight.add(-20, 0);
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
  const pause = new KafkaPause(consumer, { inFlight, onEvent: () => undefined });
  pause.check([{ topic: 'shop', partitions: [0] }]);
  inFlight.add(100, 0);
  pause.whenFull();
  assert.doesNotThrow(() => inFlight.add(-100, 0));
});

function fakeGroup() {
  const broker = {
    sent: [] as Offsets[],
    isDeaf: false,
    accept: (offsets: Offsets): void => {
      const topics = [{ topic: 'shop', partitions: offsets.map(({ partition, offset }) => ({ partition, offset })) }];
      commits.hear({ payload: { groupId: 'g', memberId: 'm', groupGenerationId: 1, topics } });
    },
  };
  const commits = new KafkaCommits({
    commitOffsets: async (offsets) => {
      if (broker.isDeaf) return;
      broker.sent.push(offsets);
      broker.accept(offsets);
    },
  });
  return { broker, commits };
}

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
  const pause = new KafkaPause(consumer, { inFlight, onEvent: (event) => events.push(event) });
  return { events, inFlight, pause, state };
}

function settle(log: PartitionLog, nextOffset: number): void {
  const ticket = log.admit(log.read, nextOffset, null);
  ticket.journaled();
  ticket.release();
}
