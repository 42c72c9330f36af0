import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tableNamed } from '../../marbles/change-words.ts';
import { type Entry, entryOf } from '../../src/operators/entry.ts';
import { TableFold } from '../../src/operators/table-fold.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { changeAt } from './held.ts';

const ticket = new PartitionLog('shop', 0, 0).admit(0, 1, null);

/** Each key becomes unsettled in one of so many windows, whatever came before. */
const WINDOWS = 40;

/** A few, or so many at once that what was taken is dropped in between. */
const many = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1500 }));
const step = fc.oneof(
  fc.record({ type: fc.constantFrom('push', 'recover', 'take', 'give-back' as const), count: many }),
  fc.record({ type: fc.constant('take-to' as const), count: fc.integer({ min: 2, max: 60 }) }),
  fc.record({ type: fc.constantFrom('take-since', 'join' as const), count: fc.integer({ min: 0, max: WINDOWS }) }),
  fc.record({ type: fc.constant('close' as const), count: fc.constant(0) }),
);

/** A fold of one table, and beside it the same in plain lists. Keys are letters: `a`, `b`, … `z`, `ba`, `bb`, … */
class TableModel {
  private readonly fold = new TableFold(tableNamed(), 0);
  private returned: Entry[] = [];
  private recovered: Entry[] = [];
  private due: Entry[] = [];
  private open: Entry[] = [];
  private out: Entry[] = [];
  private keys = 0;

  push(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const entry = this.next();
      this.open.push(entry);
      this.fold.push(entry);
    }
  }

  recover(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const entry = this.next();
      this.recovered.push(entry);
      this.fold.recover(entry);
    }
  }

  close(): void {
    this.fold.close();
    this.due.push(...this.open.splice(0));
  }

  take(count: number): void {
    const taken: Entry[] = [];
    const half = Math.floor(count / 2);
    this.fold.takeWhile(
      (entry) => taken.length < count && taken.push(entry) > 0,
      () => taken.length >= half,
    );
    const expected = this.returned.splice(0, count);
    const room = (most: number): number => Math.max(0, most - expected.length);
    expected.push(...this.recovered.splice(0, room(half)));
    expected.push(...this.due.splice(0, room(count)));
    expected.push(...this.recovered.splice(0, room(count)));
    this.came(taken, expected);
  }

  /** Takes what is due up to the first entry whose offset `nth` divides. */
  takeTo(nth: number): void {
    const taken: Entry[] = [];
    this.fold.takeWhile((entry) => entry.change.offset % nth !== 0 && taken.push(entry) > 0);
    const expected = this.takeFrom(this.returned, nth);
    if (this.returned.length === 0) {
      expected.push(...this.takeFrom(this.recovered, nth));
      // `accept` is asked of each of them again when nothing of the closed windows is left.
      expected.push(...this.takeFrom(this.due, nth));
    }
    this.came(taken, expected);
  }

  /** Takes the entries of the window given and of those before it, due or not. */
  takeSince(window: number): void {
    const isLeft = ({ since }: Entry): boolean => since > window;
    const expected = [...this.returned, ...this.recovered, ...this.due, ...this.open].filter((entry) => !isLeft(entry));
    this.returned = this.returned.filter(isLeft);
    this.recovered = this.recovered.filter(isLeft);
    this.due = this.due.filter(isLeft);
    this.open = this.open.filter(isLeft);
    this.came(this.fold.takeSince(window), expected);
  }

  /** The last entry of each list takes over from one that has been unsettled for longer. */
  join(window: number): void {
    for (const entry of [this.returned, this.recovered, this.due, this.open].flatMap((list) => list.at(-1) ?? [])) {
      entry.since = Math.min(entry.since, window);
      this.fold.heldSince(window);
    }
  }

  giveBack(count: number): void {
    for (const entry of this.out.splice(0, count)) {
      this.returned.push(entry);
      this.fold.giveBack(entry);
    }
  }

  compare(): void {
    const held = [...this.returned, ...this.recovered, ...this.due, ...this.open];
    assert.equal(this.fold.size, held.length);
    assert.equal(this.fold.hasDue, this.returned.length + this.recovered.length + this.due.length > 0);
    for (const entry of held) assert.equal(this.fold.get(entry.change.key), entry);
    for (const entry of this.out) assert.equal(this.fold.get(entry.change.key), null);
  }

  private next(): Entry {
    this.keys += 1;
    const since = (7 * this.keys) % WINDOWS;
    return entryOf(changeAt(lettersOf(this.keys - 1), this.keys - 1, 2), ticket, since);
  }

  /** What comes before the first entry of a list whose offset `nth` divides. */
  private takeFrom(list: Entry[], nth: number): Entry[] {
    const end = list.findIndex(({ change }) => change.offset % nth === 0);
    return list.splice(0, end === -1 ? list.length : end);
  }

  private came(taken: readonly Entry[], expected: readonly Entry[]): void {
    const offsetsOf = (entries: readonly Entry[]): number[] => entries.map(({ change }) => change.offset);
    assert.deepEqual(offsetsOf(taken), offsetsOf(expected));
    this.out.push(...taken);
  }
}

test('entries come out once: given back ones, half a batch of recovered ones, and the others in the order they came', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30, size: 'max' }), (steps) => {
      const model = new TableModel();
      for (const { count, type } of steps) {
        if (type === 'push') model.push(count);
        else if (type === 'recover') model.recover(count);
        else if (type === 'take') model.take(count);
        else if (type === 'take-to') model.takeTo(count);
        else if (type === 'take-since') model.takeSince(count);
        else if (type === 'join') model.join(count);
        else if (type === 'give-back') model.giveBack(count);
        else model.close();
        model.compare();
      }
    }),
    { numRuns: 100 },
  );
});

function lettersOf(n: number): string {
  const letter = String.fromCharCode(97 + (n % 26));
  return n < 26 ? letter : lettersOf(Math.floor(n / 26)) + letter;
}
