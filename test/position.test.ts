import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InFlight, PartitionLog, type Ticket } from '../src/pipeline/position.ts';

/** Records of each batch; the offset where each begins follows. */
const batches = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 });

test('a position never passes an unsettled batch, in any settle order', () => {
  const plan = batches.chain((sizes) =>
    fc.record({ sizes: fc.constant(sizes), order: fc.shuffledSubarray([...sizes.keys()]) }),
  );
  fc.assert(
    fc.property(plan, ({ sizes, order }) => {
      const log = new PartitionLog('shop', 0, 100);
      const tickets = admitAll(log, sizes);
      const settled = new Set<Ticket>();
      for (const index of order) {
        const ticket = tickets[index] as Ticket;
        settle(ticket);
        settled.add(ticket);
        const firstOpen = tickets.find((one) => !settled.has(one));
        assert.equal(log.settled, firstOpen?.firstOffset ?? log.read);
        assert.equal(log.oldestUnsettled, firstOpen?.firstOffset ?? null);
      }
    }),
  );
});

test('a position never goes back and its anchor is the last record below it', () => {
  const plan = batches.chain((sizes) =>
    fc.record({ sizes: fc.constant(sizes), order: fc.shuffledSubarray([...sizes.keys()]) }),
  );
  fc.assert(
    fc.property(plan, ({ sizes, order }) => {
      const log = new PartitionLog('shop', 0, 0);
      const tickets = admitAll(log, sizes);
      let before = log.settled;
      for (const index of order) {
        settle(tickets[index] as Ticket);
        assert.ok(log.settled >= before);
        assert.equal(log.anchor?.offset ?? -1, log.settled - 1);
        before = log.settled;
      }
    }),
  );
});

test('a batch holds the position until every hold is released and it is journaled, in any order', () => {
  const steps = fc.shuffledSubarray(['release', 'release', 'release', 'journaled'] as const, { minLength: 4 });
  fc.assert(
    fc.property(steps, (order) => {
      const log = new PartitionLog('shop', 0, 0);
      const ticket = log.admit(0, 1, null);
      ticket.hold();
      ticket.hold();
      for (const [done, step] of order.entries()) {
        assert.equal(log.settled, 0, `after ${done} of 4 steps`);
        ticket[step]();
      }
      assert.equal(log.settled, 1);
    }),
  );
});

test('an empty batch moves the position and leaves the anchor', () => {
  const log = new PartitionLog('shop', 0, 7);
  settle(log.admit(7, 8, { offset: 7, timestampMs: 1, hash: 'a' }));
  settle(log.admit(8, 20, null));
  assert.equal(log.settled, 20);
  assert.equal(log.anchor?.offset, 7);
});

test('a retired log takes releases and moves no more', () => {
  const log = new PartitionLog('shop', 0, 0);
  const ticket = log.admit(0, 5, null);
  log.retire();
  settle(ticket);
  assert.equal(log.settled, 0);
  assert.equal(ticket.isLive, false);
});

test('a batch that overlaps what was read is refused', () => {
  const log = new PartitionLog('shop', 0, 0);
  log.admit(0, 5, null);
  assert.throws(() => log.admit(4, 6, null), /read twice/);
});

test('a ticket that is settled is not taken up again, nor released more often than held', () => {
  const ticket = new PartitionLog('shop', 0, 0).admit(0, 1, null);
  settle(ticket);
  assert.throws(() => ticket.hold(), /after it was settled/);
  assert.throws(() => ticket.release(), /more often than held/);
});

test('a log charges for each batch its position has not passed, and gives all back when retired', () => {
  const plan = batches.chain((sizes) =>
    fc.record({ sizes: fc.constant(sizes), order: fc.shuffledSubarray([...sizes.keys()]) }),
  );
  fc.assert(
    fc.property(plan, ({ sizes, order }) => {
      const inFlight = new InFlight({ bytes: 1 << 20, changes: 1000 });
      const log = new PartitionLog('shop', 0, 0, inFlight);
      const tickets = admitAll(log, sizes);
      const each = inFlight.bytes / sizes.length;
      for (const index of order) settle(tickets[index] as Ticket);
      const waiting = tickets.filter((ticket) => ticket.nextOffset > log.settled).length;
      assert.equal(inFlight.bytes, waiting * each);
      log.retire();
      log.retire();
      assert.equal(inFlight.bytes, 0);
    }),
  );
});

test('a batch that is admitted after its log was retired is not charged, since nobody would give it back', () => {
  const inFlight = new InFlight({ bytes: 1 << 20, changes: 1000 });
  const log = new PartitionLog('shop', 0, 0, inFlight);
  log.admit(0, 5, null);
  log.retire();
  settle(log.admit(5, 6, null));
  assert.equal(inFlight.bytes, 0);
});

test('the in-flight limit is full at either bound and has room at three quarters of both', () => {
  const inFlight = new InFlight({ bytes: 100, changes: 10 });
  inFlight.add(100, 0);
  assert.equal(inFlight.isFull, true);
  inFlight.add(-25, 10);
  assert.equal(inFlight.isFull, true);
  assert.equal(inFlight.hasRoom, false);
  inFlight.add(0, -2);
  assert.equal(inFlight.isFull, false);
  assert.equal(inFlight.hasRoom, false);
  inFlight.add(0, -1);
  assert.equal(inFlight.hasRoom, true);
  inFlight.add(1, 0);
  assert.equal(inFlight.hasRoom, false);
});

test('whoever waits for room is called by the release that makes it, and not after it stopped waiting', () => {
  const inFlight = new InFlight({ bytes: 100, changes: 10 });
  const calls: number[] = [];
  inFlight.add(100, 1);
  const stop = inFlight.onRoom(() => {
    calls.push(inFlight.bytes);
    stop();
  });
  inFlight.add(-20, 0);
  inFlight.add(-20, 0);
  inFlight.add(-20, 0);
  assert.deepEqual(calls, [60]);
});

function admitAll(log: PartitionLog, sizes: readonly number[]): Ticket[] {
  return sizes.map((size) => {
    const nextOffset = log.read + size;
    return log.admit(log.read, nextOffset, { offset: nextOffset - 1, timestampMs: 0, hash: '' });
  });
}

function settle(ticket: Ticket): void {
  ticket.journaled();
  ticket.release();
}
