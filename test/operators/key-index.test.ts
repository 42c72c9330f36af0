import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tableNamed } from '../../marbles/change-words.ts';
import { type Entry, entryOf } from '../../src/operators/entry.ts';
import { KeyIndex } from '../../src/operators/key-index.ts';
import { documentOf } from '../../src/pipeline/json-document.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';

const ticket = new PartitionLog('shop', 0, 0).admit(0, 1, null);

function entryNamed(key: string): Entry {
  const change = { op: 'upsert', operation: 'INSERT', version: 1, offset: 0, ordinal: 0 } as const;
  const document = documentOf('{}');
  return entryOf({ ...change, document, table: tableNamed(), key, timestampMs: 0 }, ticket, 0);
}

const numbers = Array.from({ length: 3000 }, (_, i) => String(i));

/** An index and, beside it, a map. */
class IndexModel {
  readonly index: KeyIndex;
  private readonly held = new Map<string, { entry: Entry; place: number }>();

  constructor(hashOf?: (key: string) => number) {
    this.index = new KeyIndex(hashOf);
  }

  add(key: string): void {
    if (this.held.has(key)) return;
    const entry = entryNamed(key);
    this.held.set(key, { entry, place: this.index.add(entry) });
  }

  remove(key: string): void {
    const held = this.held.get(key);
    if (held === undefined) return;
    this.held.delete(key);
    this.index.remove(held.place);
  }

  compare(keys: readonly string[]): void {
    assert.equal(this.index.size, this.held.size);
    for (const key of keys) assert.equal(this.index.get(key), this.held.get(key)?.entry ?? null);
    for (const { entry, place } of this.held.values()) assert.equal(this.index.at(place), entry);
  }
}

const step = fc.record({
  isAdded: fc.boolean(),
  from: fc.integer({ min: 0, max: numbers.length }),
  count: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1500 })),
});

function behavesAsMap(hashOf?: (key: string) => number, runs = 100): void {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20, size: 'max' }), (steps) => {
      const model = new IndexModel(hashOf);
      for (const { count, from, isAdded } of steps) {
        for (const key of numbers.slice(from, from + count)) {
          if (isAdded) model.add(key);
          else model.remove(key);
        }
        model.compare(numbers);
      }
    }),
    { numRuns: runs },
  );
}

test('an index of keys holds what a map holds', () => behavesAsMap());

test('also when all keys have one hash, few hashes, or hashes side by side', () => {
  behavesAsMap(() => 0, 10);
  behavesAsMap((key) => Number(key) % 3, 10);
  behavesAsMap((key) => -Number(key), 10);
});

test('keys may be any text', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 12, size: 'max' }), { maxLength: 200 }), (keys) => {
      const model = new IndexModel();
      for (const key of keys) model.add(key);
      model.compare(keys);
      for (const key of keys.slice(1)) model.remove(key);
      model.compare(keys);
    }),
  );
});

test('keys that come and go need no more places than there are at a time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), (most) => {
      const { index } = new IndexModel();
      const places: number[] = [];
      for (const key of numbers) {
        if (places.length === most) index.remove(places.shift() as number);
        places.push(index.add(entryNamed(key)));
      }
      assert.deepEqual([index.size, index.places], [most, most]);
    }),
    { numRuns: 20 },
  );
});

test('a key that is looked for is compared with few others, and with one when all have the same hash', () => {
  let compared = 0;
  const counting = (key: string): Entry => {
    const { change, ...rest } = entryNamed(key);
    const watched = new Proxy(change, {
      get: (target, name) => {
        if (name === 'key') compared += 1;
        return Reflect.get(target, name);
      },
    });
    return { ...rest, change: watched };
  };
  for (const [hashOf, most] of [[undefined, 1.01] as const, [() => 7, 129] as const]) {
    const index = new KeyIndex(hashOf);
    for (const key of numbers) index.add(counting(key));
    compared = 0;
    for (const key of numbers) assert.ok(index.get(key) !== null);
    assert.ok(compared <= most * numbers.length, `${compared} of ${numbers.length}`);
  }
});
