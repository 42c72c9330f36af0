import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changeOf } from '../../marbles/change-words.ts';
import { recoveredPage, roomyInFlight } from '../../marbles/word-log.ts';
import { claim, disclaim, type Entry, entryOf, isCovered, isLive } from '../../src/operators/entry.ts';
import { PartitionLog, type Ticket } from '../../src/pipeline/position.ts';

/** The next batch of a log, of one record that is in the journal. */
function nextOf(log: PartitionLog): Ticket {
  const ticket = log.admit(log.read, log.read + 1, null);
  ticket.journaled();
  return ticket;
}

function pageOf(words: string): Ticket {
  return recoveredPage(words, roomyInFlight()).ticket;
}

/** An entry of the ticket's first change, of which the pipeline has given its own hold back. */
function entryFrom(ticket: Ticket): Entry {
  ticket.hold();
  const entry = entryOf(changeOf('a1'), ticket, 0);
  ticket.release();
  return entry;
}

/** Claims a ticket as the fold does. */
function claimed(entry: Entry, ticket: Ticket): void {
  ticket.hold();
  claim(entry, ticket);
  ticket.release();
}

test('of all claims in one log the oldest is held, in whatever order they come, and the others are released', () => {
  const orders = fc.integer({ min: 1, max: 6 }).chain((count) => {
    const places = Array.from({ length: count }, (_, i) => i);
    return fc.shuffledSubarray(places, { minLength: count });
  });
  fc.assert(
    fc.property(fc.tuple(orders, orders), (orderOfLogs) => {
      const logs = orderOfLogs.map((_, partition) => new PartitionLog('shop', partition, 0));
      const tickets = orderOfLogs.flatMap((order, i) => {
        const ofLog = [...order].sort((a, b) => a - b).map(() => nextOf(logs[i] as PartitionLog));
        return order.map((place) => ofLog[place] as Ticket);
      });
      const [first, ...others] = tickets as [Ticket, ...Ticket[]];
      const entry = entryFrom(first);
      for (const ticket of others) claimed(entry, ticket);
      assert.deepEqual(
        new Set(entry.tickets.map(({ log, firstOffset }) => [log?.partition, firstOffset].join())),
        new Set(['0,0', '1,0']),
      );
      for (const ticket of tickets) assert.equal(ticket.isFree, !entry.tickets.includes(ticket));
      for (const ticket of entry.tickets) ticket.release();
      for (const log of logs) assert.equal(log.settled, log.read);
    }),
  );
});

test('a page is free as soon as the live stream has taken its key over, whichever of the two came first', () => {
  const log = new PartitionLog('shop', 0, 0);
  const [earlier, later] = [nextOf(log), nextOf(log)];
  const pages = [pageOf('a1'), pageOf('a1')] as const;
  const taken = entryFrom(pages[0]);
  claimed(taken, earlier);
  const live = entryFrom(later);
  claimed(live, pages[1]);
  assert.deepEqual([taken.tickets, live.tickets], [[earlier], [later]]);
  assert.ok(pages.every((page) => page.isFree));
});

test('a page is held while nothing but an old assignment claims its key, and the claim of that is released', () => {
  const lost = new PartitionLog('shop', 0, 0);
  const before = nextOf(lost);
  const entry = entryFrom(before);
  lost.retire();
  const page = pageOf('a1');
  claimed(entry, page);
  assert.deepEqual(entry.tickets, [page]);
  assert.deepEqual([before.isFree, page.isFree], [true, false]);
});

test('the claim of an old assignment is released when the partition is read again', () => {
  const lost = new PartitionLog('shop', 0, 0);
  const before = nextOf(lost);
  const entry = entryFrom(before);
  lost.retire();
  const again = nextOf(new PartitionLog('shop', 0, 0));
  claimed(entry, again);
  assert.deepEqual(entry.tickets, [again]);
  assert.ok(before.isFree);
});

test('a key of a page is parked at its own version, and one of the live stream is not', () => {
  assert.equal(entryFrom(pageOf('a1')).parkedVersion, 1);
  assert.equal(entryFrom(nextOf(new PartitionLog('shop', 0, 0))).parkedVersion, 0);
});

test('a ticket covers an entry only when its claim would change nothing, and a claim leaves a shared list of tickets alone', () => {
  const lost = new PartitionLog('shop', 0, 0);
  const old = nextOf(lost);
  lost.retire();
  const logs = [new PartitionLog('shop', 0, 0), new PartitionLog('shop', 1, 0)] as const;
  const tickets = [old, ...logs.flatMap((log) => [nextOf(log), nextOf(log)]), pageOf('a1'), pageOf('a2')];
  const some = fc.constantFrom(...tickets);
  fc.assert(
    fc.property(fc.array(some, { minLength: 1, maxLength: 4 }), some, ([first, ...others], last) => {
      assert.ok(first !== undefined);
      for (const ticket of [first, ...others, last]) ticket.hold();
      const shared = [first];
      const entry = entryOf(changeOf('a1'), first, 0, shared);
      for (const ticket of others) claim(entry, ticket);
      const before = [...entry.tickets];
      const covered = isCovered(entry, last);
      claim(entry, last);
      const isSame = entry.tickets.length === before.length && entry.tickets.every((one, i) => one === before[i]);
      if (covered) assert.ok(isSame);
      else if (before.length === 1 && before[0]?.log === last.log) assert.ok(!isSame);
      assert.ok(shared.length === 1 && shared[0] === first);
      assert.equal(
        isLive(entry),
        entry.tickets.some((ticket) => ticket.isLive),
      );
      for (const ticket of disclaim(entry)) ticket.release();
      assert.deepEqual(entry.tickets, []);
    }),
  );
});
