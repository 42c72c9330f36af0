import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EachBatchPayload, Kafka } from 'kafkajs';
import { VirtualTimeScheduler } from 'rxjs';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { KafkaIntake } from '../../src/sources/kafka-intake.ts';
import { KafkaPartition } from '../../src/sources/kafka-partition.ts';
import { KafkaPause } from '../../src/sources/kafka-pause.ts';
import { FetchedRecord } from '../../src/sources/kafka-records.ts';

test('what the limit cuts off a fetch is read from the same fetch when room comes in time', async () => {
  const { inFlight, intake, news, offsets, partition } = open();
  const reading = intake.eachBatch(batchOf(1200, news.resolved));
  assert.equal(partition.expected, 500);
  for (const expected of [1000, 1200]) {
    inFlight.add(0, -500);
    await turn();
    assert.equal(partition.expected, expected);
  }
  await reading;
  assert.deepEqual(offsets, [...Array(1200).keys()]);
  assert.deepEqual(news, { paused: 0, resolved: ['499', '999', '1199'], seeks: 1 });
});

test('what the limit cuts off a fetch is left to the next one when no room comes, and everything is paused', async () => {
  const { intake, news, partition, scheduler } = open();
  const reading = intake.eachBatch(batchOf(1200, news.resolved));
  scheduler.flush();
  await reading;
  assert.equal(partition.expected, 500);
  assert.deepEqual(news, { paused: 1, resolved: ['499'], seeks: 1 });
});

test('a batch whose partition is taken away while it waits for room reads nothing more', async () => {
  const { inFlight, intake, news, partition } = open();
  const reading = intake.eachBatch(batchOf(1200, news.resolved));
  intake.retire();
  inFlight.add(0, -500);
  await reading;
  assert.equal(partition.expected, 500);
  assert.deepEqual(news, { paused: 0, resolved: ['499'], seeks: 1 });
});

/** One partition from 0, read under a limit of 500 changes, which is one slice. */
function open() {
  const news = { paused: 0, resolved: [] as string[], seeks: 0 };
  const scheduler = new VirtualTimeScheduler();
  const inFlight = new InFlight({ bytes: 1 << 30, changes: 500 });
  const offsets: number[] = [];
  const partition = new KafkaPartition({
    log: new PartitionLog('shop', 0, 0),
    start: { from: 0, anchor: null },
    epochAt: () => 0,
    inFlight,
    emit: ({ records }) => offsets.push(...records.map(({ offset }) => offset)),
  });
  const consumer = {
    pause: () => {
      news.paused += 1;
    },
    resume: () => undefined,
    seek: () => {
      news.seeks += 1;
    },
  };
  const pause = new KafkaPause(consumer, { inFlight, onEvent: () => undefined, scheduler });
  pause.check([{ topic: 'shop', partitions: [0] }]);
  pause.checked();
  news.paused = 0; // the check was one
  const onFailure = (error: unknown): void => assert.fail(String(error));
  const kafka = {} as Kafka; // asked about holes only
  const intake = new KafkaIntake({ kafka, consumer, pause, scheduler, onEvent: () => undefined, onFailure });
  intake.open([partition]);
  return { inFlight, intake, news, offsets, partition, scheduler };
}

/** What kafkajs hands over: a fetch of the first `count` records. */
function batchOf(count: number, resolved: string[]): EachBatchPayload {
  const context = { producerId: '-1', inTransaction: false, isControl: false };
  return {
    batch: {
      topic: 'shop',
      partition: 0,
      highWatermark: String(count),
      messages: Array.from(
        { length: count },
        (_, at) => new FetchedRecord(at, 1000 + at, null, Buffer.from('{}'), context),
      ),
      firstOffset: () => '0',
      lastOffset: () => String(count - 1),
    },
    isStale: () => false,
    resolveOffset: (offset: string) => resolved.push(offset),
  } as unknown as EachBatchPayload;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
