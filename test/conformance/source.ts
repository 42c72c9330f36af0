import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { RecordSource } from '../../src/pipeline/ports.ts';
import type { InFlight } from '../../src/pipeline/position.ts';
import { SourceReader } from '../sources/source-reader.ts';
import { eventually } from '../support/eventually.ts';

/** One log that a test writes and reads. */
export interface SourceUnderTest {
  readonly topic: string;
  /** Appends values to a partition (0 or 1). */
  append(partition: number, values: readonly (Buffer | null)[]): Promise<void>;
  /** A source over all that was appended. Opened again after `close`, it is a restarted service. */
  open(inFlight: InFlight): RecordSource;
  /** Whether a restart reads on at the committed position, or everything again. */
  readonly keepsPositions: boolean;
  /** Whether `records` completes at the end of what was appended. */
  readonly isFinite: boolean;
}

const roomy = { bytes: 64 << 20, changes: 1_000_000 };

/** The promises of the port `RecordSource`, on any adapter. `open` gives an empty log with two partitions. */
export function testSourceConformance(name: string, open: () => Promise<SourceUnderTest>): void {
  // A source that a failed test leaves open would keep the process alive.
  const opened: RecordSource[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((source) => source.close()));
  });
  const make = async (): Promise<SourceUnderTest> => {
    const log = await open();
    return {
      ...log,
      open: (inFlight) => {
        const source = log.open(inFlight);
        opened.push(source);
        return source;
      },
    };
  };

  test(`${name}: records of a partition come once, in offset order, under tickets that join without a gap`, async () => {
    const log = await make();
    await log.append(0, numbered(1200));
    await log.append(1, numbered(30));
    const reader = new SourceReader(roomy);
    const source = log.open(reader.inFlight);
    reader.read(source);
    await eventually('all records', () => reader.count === 1230 && (reader.isComplete || !log.isFinite));
    for (const [partition, count] of [
      [0, 1200],
      [1, 30],
    ] as const) {
      assert.deepEqual(reader.values(log.topic, partition), numbered(count).map(String));
      assert.deepEqual(reader.offsets(log.topic, partition), [...Array(count).keys()]);
      let next = 0;
      for (const { records, ticket, ...batch } of reader.batches) {
        if (batch.partition !== partition) continue;
        assert.equal(ticket.firstOffset, next);
        assert.equal(ticket.anchor?.offset, records.at(-1)?.offset);
        assert.ok(records.length <= 500);
        next = ticket.nextOffset;
      }
      assert.equal(next, count);
    }
    await source.close();
  });

  test(`${name}: a partition is assigned before its first record, and who asks later hears of it too`, async () => {
    const log = await make();
    await log.append(0, numbered(5));
    await log.append(1, numbered(5));
    const reader = new SourceReader(roomy);
    const source = log.open(reader.inFlight);
    reader.read(source);
    await eventually('all records', () => reader.count === 10);
    assert.equal(reader.history[0], 'assigned');
    const places = [`${log.topic}/0`, `${log.topic}/1`];
    assert.deepEqual([...(reader.assigned.at(-1)?.places.keys() ?? [])].sort(), places);
    const late: string[] = [];
    source.assignments.subscribe(({ partitions }) => {
      late.push(...partitions.map((one) => `${one.topic}/${one.partition}`));
    });
    assert.deepEqual(late.sort(), places);
    await source.close();
  });

  test(`${name}: reading stops at the in-flight limit and goes on when a quarter of it is free, with nothing lost`, async () => {
    const log = await make();
    await log.append(0, numbered(6000));
    const limit = { bytes: 64 << 20, changes: 1000 };
    const reader = new SourceReader(limit, { isSettling: false });
    const source = log.open(reader.inFlight);
    reader.read(source);
    while (reader.count < 6000) {
      await eventually('the limit, or the end', () => reader.inFlight.isFull || reader.count === 6000);
      assert.ok(reader.inFlight.changes < limit.changes + 500, `${reader.inFlight.changes} changes are held`);
      reader.settle();
    }
    assert.deepEqual(reader.offsets(log.topic, 0), [...Array(6000).keys()]);
    await source.close();
  });

  test(`${name}: any bytes and null come through as they are`, async () => {
    const log = await make();
    const values = [
      Buffer.from('{"broken'),
      null,
      Buffer.from('\u2028 "ä" \u{1f600} \\u0000'),
      Buffer.from('[]'),
      null,
    ];
    await log.append(0, values);
    const reader = new SourceReader(roomy);
    const source = log.open(reader.inFlight);
    reader.read(source);
    await eventually('all records', () => reader.count === values.length);
    assert.deepEqual(
      reader.values(log.topic, 0),
      values.map((value) => value?.toString('latin1') ?? null),
    );
    assert.equal(reader.error, null);
    await source.close();
  });

  test(`${name}: stop completes records at once, and what settles afterwards can still be committed`, async () => {
    const log = await make();
    await log.append(0, numbered(3000));
    const reader = new SourceReader({ bytes: 64 << 20, changes: 1000 }, { isSettling: false });
    const source = log.open(reader.inFlight);
    reader.read(source);
    await eventually('the limit', () => reader.inFlight.isFull);
    const { count } = reader;
    source.stop();
    assert.equal(reader.isComplete, true);
    reader.settle();
    await source.commit();
    assert.equal(reader.count, count);
    await source.close();

    const after = new SourceReader(roomy);
    const restarted = log.open(after.inFlight);
    after.read(restarted);
    const first = log.keepsPositions ? count : 0;
    await eventually('the rest', () => after.count === 3000 - first);
    assert.equal(after.offsets(log.topic, 0)[0], first);
    await restarted.close();
  });

  test(`${name}: a restart reads everything after the settled prefix again`, async () => {
    const log = await make();
    await log.append(0, numbered(2000));
    const reader = new SourceReader(roomy, { isSettling: false });
    const source = log.open(reader.inFlight);
    reader.read(source);
    await eventually('all records', () => reader.count === 2000);
    const [first, second, , fourth] = reader.batches;
    assert.ok(first && second && fourth);
    for (const batch of [fourth, second, first]) reader.settleOne(batch); // the third holds the position back
    await source.commit();
    await source.close();

    const after = new SourceReader(roomy);
    const restarted = log.open(after.inFlight);
    after.read(restarted);
    const from = log.keepsPositions ? second.ticket.nextOffset : 0;
    await eventually('the rest', () => after.count === 2000 - from);
    assert.deepEqual(
      after.offsets(log.topic, 0),
      [...Array(2000 - from).keys()].map((index) => index + from),
    );
    await restarted.close();
  });

  test(`${name}: a source that is stopped before it begins completes and reads nothing`, async () => {
    const log = await make();
    await log.append(0, numbered(1));
    const reader = new SourceReader(roomy);
    const source = log.open(reader.inFlight);
    source.stop();
    reader.read(source);
    assert.equal(reader.isComplete, true);
    assert.equal(reader.count, 0);
    await source.close();
  });
}

function numbered(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => Buffer.from(`{"n":${index}}`));
}
