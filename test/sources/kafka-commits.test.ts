import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { KafkaCommits } from '../../src/sources/kafka-commits.ts';

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

function settle(log: PartitionLog, nextOffset: number): void {
  const ticket = log.admit(log.read, nextOffset, null);
  ticket.journaled();
  ticket.release();
}
