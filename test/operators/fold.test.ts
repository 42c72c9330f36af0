import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Entry, Fold } from '../../src/operators/fold.ts';
import { type Change, type ChangeBatch, sizeOf } from '../../src/pipeline/change.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { changeAt, newTable } from '../conformance/store-samples.ts';

const inFlight = new InFlight({ bytes: 1 << 20, changes: 1000 });

function batchOf(log: PartitionLog, change: Change): ChangeBatch {
  const { partition, topic } = log;
  const ticket = log.admit(change.offset, change.offset + 1, null);
  ticket.journaled();
  const load = { bytes: sizeOf(change), changes: 1 };
  inFlight.add(load.bytes, load.changes);
  return { topic, partition, changes: [change], ticket, load };
}

test('an entry is of the place where its newest change was read, whoever waits for it too', () => {
  const fold = new Fold(inFlight);
  const table = newTable();
  const own = new PartitionLog('shop', 0, 0);
  const astray = new PartitionLog('shop', 2, 0);
  fold.add(batchOf(own, changeAt(table, 'k', 3)));
  fold.add(batchOf(astray, changeAt(table, 'k', 9)));
  fold.add(batchOf(own, changeAt(table, 'l', 9)));
  fold.add(batchOf(astray, changeAt(table, 'l', 10, { text: '{}' })));
  fold.add(batchOf(own, changeAt(table, 'l', 11)));
  const entries = fold.takeAll();
  assert.deepEqual(
    entries.map(({ change, place }) => `${change.key}@${change.offset} of ${place.topic}/${place.partition}`),
    ['k@9 of shop/2', 'l@11 of shop/0'],
  );
  assert.equal(own.settled, 0);
  fold.settle(entries);
  assert.deepEqual([own.settled, astray.settled], [12, 11]);
});

test('changes of one key from two topics never replace each other: their versions say nothing about each other', () => {
  const fold = new Fold(inFlight);
  const table = newTable();
  const own = new PartitionLog('own', 0, 0);
  const astray = new PartitionLog('other', 0, 0);
  fold.add(batchOf(own, changeAt(table, 'k', 3)));
  fold.add(batchOf(astray, changeAt(table, 'k', 9)));
  fold.close();
  const batches = [0, 1].map(() => fold.take({ documents: 10, bytes: 1 << 20 }, 0));
  assert.deepEqual(
    batches.map((batch) => batch?.entries.map(({ change, place }) => `${change.key}@${change.offset} ${place.topic}`)),
    [['k@3 own'], ['k@9 other']],
  );
  assert.equal(fold.joinSuperseded(batches[0]?.entries ?? []).length, 1);
  fold.settle(batches[1]?.entries ?? []);
  assert.deepEqual([own.settled, astray.settled], [0, 10]);
});

test('of two entries of one key that are given back together the newer stays, whichever comes first', () => {
  const fold = new Fold(inFlight);
  const table = newTable();
  const log = new PartitionLog('own', 0, 0);
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const taken = [0, 1].flatMap(() => {
      const next = log.read;
      fold.add(batchOf(log, changeAt(table, 'k', next)));
      return fold.takeAll();
    });
    fold.giveBack(order.map((place) => taken[place] as Entry));
    const [left, ...others] = fold.takeAll();
    assert.ok(left !== undefined && others.length === 0);
    assert.equal(left.change.offset, log.read - 1);
    assert.equal(log.settled, log.read - 2, 'it stands for the older one too');
    fold.settle([left]);
    assert.equal(log.settled, log.read);
  }
});
