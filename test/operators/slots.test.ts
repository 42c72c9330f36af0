import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Observable, Subject } from 'rxjs';
import { Slots, takeSlots } from '../../src/operators/slots.ts';

const answers = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.constant('overloaded' as const) },
    { weight: 15, arbitrary: fc.constant('fine' as const) },
  ),
  { maxLength: 300, size: 'max' },
);

test('there is always a slot and never more than at first; only an overload takes some, only calm gives one back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16 }), answers, (most, list) => {
      const slots = new Slots(most);
      let calm = 0;
      for (const answer of list) {
        const before = slots.limit;
        slots[answer]();
        calm = answer === 'fine' ? calm + 1 : 0;
        assert.ok(slots.limit >= 1 && slots.limit <= most);
        if (answer === 'overloaded') assert.equal(slots.limit, Math.max(1, Math.floor(before / 2)));
        else assert.ok(slots.limit === before || (slots.limit === before + 1 && calm >= 20));
      }
    }),
  );
});

test('20 batches without an overload give one slot back, and 20 more the next', () => {
  const slots = new Slots(8);
  slots.overloaded();
  slots.overloaded();
  const limits = Array.from({ length: 60 }, () => {
    slots.fine();
    return slots.limit;
  });
  assert.deepEqual([limits[18], limits[19], limits[38], limits[39], limits[59]], [2, 3, 3, 4, 5]);
});

test('an overload begins the count anew', () => {
  const slots = new Slots(4);
  slots.overloaded();
  for (let i = 0; i < 19; i += 1) slots.fine();
  slots.overloaded();
  for (let i = 0; i < 19; i += 1) slots.fine();
  assert.equal(slots.limit, 1);
  slots.fine();
  assert.equal(slots.limit, 2);
});

/** What is offered, taken and ended by hand. */
function delivering(slots: Slots) {
  const due = new Subject<Observable<string>>();
  const underWay = new Map<string, Subject<string>>();
  let state = 'running';
  const subscription = due
    .pipe(
      takeSlots(slots, (name) => {
        const delivery = new Subject<string>();
        underWay.set(name, delivery);
        return delivery;
      }),
    )
    .subscribe({
      error: (error) => {
        state = String(error);
      },
      complete: () => {
        state = 'complete';
      },
    });
  const offer = (...names: string[]): void => {
    for (const name of names)
      due.next(
        new Observable((taker) => {
          taker.next(name);
          taker.complete();
        }),
      );
  };
  const end = (name: string): void => {
    underWay.get(name)?.complete();
    underWay.delete(name);
  };
  return { due, end, offer, state: () => state, subscription, underWay: () => [...underWay.keys()].join('') };
}

test('what is due is taken up in its order as slots come free, and never before', () => {
  const { end, offer, underWay } = delivering(new Slots(2));
  offer('a', 'b', 'c', 'd');
  assert.equal(underWay(), 'ab');
  end('b');
  assert.equal(underWay(), 'ac');
  end('c');
  assert.equal(underWay(), 'ad');
});

test('after an overload no slot is filled until fewer are taken than are left', () => {
  const slots = new Slots(4);
  const { end, offer, underWay } = delivering(slots);
  offer('a', 'b', 'c', 'd', 'e', 'f');
  slots.overloaded();
  end('a');
  end('b');
  assert.equal(underWay(), 'cd');
  end('c');
  assert.equal(underWay(), 'de');
});

test('a slot that is given back is filled when the next batch ends, with one more', () => {
  const slots = new Slots(2);
  slots.overloaded();
  const { end, offer, underWay } = delivering(slots);
  offer('a', 'b', 'c');
  for (let i = 0; i < 20; i += 1) slots.fine();
  assert.equal(underWay(), 'a');
  end('a');
  assert.equal(underWay(), 'bc');
});

test('the stream ends when the source has ended and every batch has', () => {
  const { due, end, offer, state } = delivering(new Slots(1));
  offer('a', 'b');
  due.complete();
  end('a');
  assert.equal(state(), 'running');
  end('b');
  assert.equal(state(), 'complete');
});

test('an error of a batch or of the source ends the stream and lets the others go', () => {
  const one = delivering(new Slots(2));
  one.offer('a', 'b');
  one.due.error('the source');
  assert.equal(one.state(), 'the source');
  const other = delivering(new Slots(1));
  other.due.next(new Observable((taker) => taker.error('the batch')));
  assert.equal(other.state(), 'the batch');
  assert.equal(other.due.observed, false);
});

test('unsubscribing takes nothing up any more', () => {
  const { offer, subscription, underWay } = delivering(new Slots(1));
  offer('a', 'b');
  subscription.unsubscribe();
  assert.equal(underWay(), 'a');
});
