import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RecordBatch } from '../../src/pipeline/change.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { KafkaPartition, type Taken } from '../../src/sources/kafka-partition.ts';
import { FetchedRecord } from '../../src/sources/kafka-records.ts';
import { anchorOf } from '../../src/sources/record-slices.ts';

/** A log as the broker holds it: the offsets that exist. */
type Offsets = readonly number[];

test('every record is emitted once and in order, whatever a fetch brings and however little fits', () => {
  const fetches = fc.array(fc.record({ size: fc.integer({ min: 1, max: 9 }), settle: fc.boolean() }), {
    maxLength: 40,
  });
  // One fetch of the assignment before may still arrive, at any time and from anywhere.
  const late = fc.record({ at: fc.integer({ min: 0, max: 40 }), offset: fc.integer({ min: 0, max: 60 }) });
  const offsets = fc
    .uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 40 })
    .map((some) => some.sort((a, b) => a - b));
  fc.assert(
    fc.property(offsets, fetches, late, (log, steps, stale) => {
      const reading = read({ from: 0, limit: 5 });
      for (const [index, { size, settle }] of steps.entries()) {
        if (index === stale.at) reading.fetch(log, stale.offset, size, { isBelieved: false });
        reading.fetch(log, reading.partition.expected, size);
        if (settle) reading.inFlight.add(0, -reading.inFlight.changes);
      }
      const got = reading.batches.flatMap((batch) => batch.records.map((record) => record.offset));
      assert.deepEqual(got, log.slice(0, got.length));
    }),
  );
});

test('a batch that begins elsewhere is fetched again before it is believed', () => {
  const { partition } = read({ from: 10 });
  assert.deepEqual(partition.take(fetched([50, 51])), { kind: 'seek' });
  assert.equal(partition.expected, 10);
  assert.equal(partition.take(fetched([10, 11])).kind, 'read');
  assert.equal(partition.expected, 12);
});

test('a hole that is there twice is asked about, and passed once it is explained', () => {
  const { batches, partition } = read({ from: 10 });
  partition.take(fetched([20]));
  assert.deepEqual(partition.take(fetched([20])), { kind: 'hole' });
  partition.passHole();
  assert.equal(partition.take(fetched([20])).kind, 'read');
  assert.deepEqual(
    batches.map(({ ticket }) => [ticket.firstOffset, ticket.nextOffset]),
    [[10, 21]],
  );
});

test('a log that goes back is refused with E2003', () => {
  const { partition } = read({ from: 10 });
  assert.deepEqual(partition.take(fetched([3])), { kind: 'seek' });
  assert.throws(() => partition.take(fetched([3])), { code: 'E2003' });
});

test('a batch of control records only moves the position', () => {
  const { batches, partition } = read({ from: 10 });
  assert.deepEqual(partition.skip(10, 13), { kind: 'read', records: 0, bytes: 0 });
  assert.deepEqual(
    batches.map(({ records, ticket }) => [records.length, ticket.firstOffset, ticket.nextOffset]),
    [[0, 10, 13]],
  );
});

test('the last slice reaches past the control record at the end of a batch', () => {
  const { batches, partition } = read({ from: 0 });
  partition.take(fetched([0, 1], { lastOffset: 2 }));
  assert.equal(batches.at(-1)?.ticket.nextOffset, 3);
});

test('reading begins at the position when the anchor is the record it was', () => {
  const cases: [from: number, fetch: Offsets, first: Taken['kind']][] = [
    [8, [7, 8, 9], 'read'], // the rest of the batch is used
    [8, [7], 'seek'],
    [20, [7, 8], 'seek'], // the mirror of the position was late
    [2, [7, 8], 'seek'], // somebody set the group back
  ];
  for (const [from, fetch, kind] of cases) {
    const anchor = anchorOf([recordAt(7)]);
    const { batches, partition } = read({ from, anchor });
    assert.equal(partition.expected, 7);
    assert.equal(partition.take(fetched(fetch)).kind, kind, `from ${from}`);
    if (kind === 'seek') assert.equal(partition.expected, from);
    else
      assert.deepEqual(
        batches.flatMap((batch) => batch.records.map((record) => record.offset)),
        [8, 9],
      );
  }
});

test('an anchor with another value, another time or another offset is refused with E2002', () => {
  const anchor = { offset: 7, timestampMs: 1007, hash: anchorOf([recordAt(7)])?.hash ?? '' };
  for (const other of [
    { ...anchor, hash: 'x' },
    { ...anchor, timestampMs: 1 },
  ]) {
    assert.throws(() => read({ from: 8, anchor: other }).partition.take(fetched([7, 8])), { code: 'E2002' });
  }
  const { partition } = read({ from: 8, anchor });
  partition.take(fetched([9]));
  partition.take(fetched([9]));
  partition.passHole();
  assert.throws(() => partition.take(fetched([9])), { code: 'E2002' });
  assert.throws(() => read({ from: 8, anchor }).partition.skip(7, 9), { code: 'E2002' });
});

test('a batch is taken as far as the limit lets it, and what is left is fetched again', () => {
  const { batches, inFlight, partition } = read({ from: 0, limit: 500 });
  const all = [...Array(1200).keys()];
  partition.take(fetched(all));
  assert.equal(partition.expected, 500);
  partition.take(fetched(all.slice(500)));
  assert.equal(partition.expected, 500);
  inFlight.add(0, -500);
  partition.take(fetched(all.slice(500)));
  assert.deepEqual(
    batches.map((batch) => batch.records.length),
    [500, 500],
  );
});

test('what is left of a batch is taken as soon as there is room, once, up to where the batch ends', () => {
  const { batches, inFlight, partition } = read({ from: 0, limit: 500 });
  const batch = fetched([...Array(1200).keys()], { lastOffset: 1203 });
  partition.take(batch);
  partition.takeRest(batch);
  assert.equal(partition.expected, 500);
  for (const expected of [1000, 1204, 1204]) {
    inFlight.add(0, -inFlight.changes);
    assert.equal(partition.takeRest(batch).kind, 'read');
    assert.equal(partition.expected, expected);
  }
  const got = batches.flatMap(({ records }) => records.map(({ offset }) => offset));
  assert.deepEqual(got, [...Array(1200).keys()]);
});

test('messages that kafkajs decoded by itself are read as well', () => {
  const { batches, partition } = read({ from: 8, anchor: anchorOf([recordAt(7)]) });
  const messages = [7, 8, 9].map((offset) => {
    const { timestampMs, key, value } = recordAt(offset);
    return { offset: String(offset), timestamp: String(timestampMs), key, value, attributes: 0, headers: {} };
  });
  assert.equal(partition.take({ ...fetched([7, 8, 9]), messages }).kind, 'read');
  assert.deepEqual(
    batches.flatMap(({ records }) => records),
    [recordAt(8), recordAt(9)],
  );
});

test('what a batch is charged is what the parser gives back', () => {
  const { batches, inFlight, partition } = read({ from: 0 });
  partition.take(fetched([0, 1, 2]));
  const [batch] = batches;
  const values = batch?.records.reduce((sum, record) => sum + (record.value?.length ?? 0), 0) ?? 0;
  assert.deepEqual([inFlight.bytes, inFlight.changes], [values + 3 * 200, 3]);
});

function read({
  from,
  limit = 10_000,
  anchor = null,
}: {
  from: number;
  limit?: number;
  anchor?: ReturnType<typeof anchorOf>;
}) {
  const inFlight = new InFlight({ bytes: 1 << 30, changes: limit });
  const batches: RecordBatch[] = [];
  const partition = new KafkaPartition({
    log: new PartitionLog('shop', 0, from),
    start: { from, anchor },
    epochAt: () => 0,
    inFlight,
    emit: (batch) => batches.push(batch),
  });
  /** What the consumer does with the records of a log from an offset on. */
  const fetch = (log: Offsets, offset: number, size: number, { isBelieved = true } = {}): void => {
    const found = log.filter((one) => one >= offset).slice(0, size);
    if (found.length === 0) return;
    let taken = partition.take(fetched(found));
    if (!isBelieved) return;
    while (taken.kind !== 'read') {
      if (taken.kind === 'hole') partition.passHole(); // the broker says so
      const again = log.filter((one) => one >= partition.expected).slice(0, size);
      taken = partition.take(fetched(again));
    }
  };
  return { batches, fetch, inFlight, partition };
}

function fetched(offsets: Offsets, { lastOffset = offsets.at(-1) ?? 0 } = {}) {
  const context = { producerId: '-1', inTransaction: false, isControl: false };
  const messages = offsets.map((offset) => {
    const { timestampMs, key, value } = recordAt(offset);
    return new FetchedRecord(offset, timestampMs, key, value, context);
  });
  return { messages, firstOffset: () => String(offsets[0]), lastOffset: () => String(lastOffset) };
}

function recordAt(offset: number) {
  return { offset, timestampMs: 1000 + offset, key: null, value: Buffer.from(`value ${offset}`) };
}
