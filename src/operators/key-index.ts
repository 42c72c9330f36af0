import { randomInt } from 'node:crypto';
import type { Entry } from './entry.ts';

/** Found once: looked up on texts of many kinds (flat, joined, interned) it takes four times as long as what it does. */
const { charCodeAt } = String.prototype;

const FEWEST_SLOTS = 16;

/** Longest way from a key's own slot. Half of the slots are free, so no key goes so far unless somebody has chosen the keys. */
const MOST_PROBES = 128;

/** Nobody who chooses keys knows it. */
const SEED = randomInt(2 ** 32) | 0;

/**
 * Entries by key and by place: a hash table with open addressing. Costs less than a `Map`, which asks the runtime for the
 * hash of every new text. Places are small numbers, given anew once they are free. At most 32 bytes for each place that was
 * ever needed at a time, besides the place itself; who wants them back makes a new index.
 */
export class KeyIndex {
  private readonly hashOf: (key: string) => number;
  /** Pairs: the hash of a key, and its place and one; twice 0 for a slot that is free. Removed keys keep their slot for a while. */
  private slots = new Int32Array(2 * FEWEST_SLOTS);
  private usedSlots = 0;
  private readonly entries: (Entry | null)[] = [];
  private readonly hashes: number[] = [];
  private readonly free: number[] = [];
  /** Places of keys that found no slot near their own. */
  private readonly crowded = new Map<string, number>();

  /** `hashOf`: 32 bits, by default of a seed that is drawn for each process. */
  constructor(hashOf: (key: string) => number = seededHashOf) {
    this.hashOf = hashOf;
  }

  get size(): number {
    return this.entries.length - this.free.length;
  }

  /** The most keys at a time so far. */
  get places(): number {
    return this.entries.length;
  }

  get(key: string): Entry | null {
    const { entries, slots } = this;
    const hash = this.hashOf(key);
    const mask = slots.length - 2;
    let slot = (hash << 1) & mask;
    for (let probe = 0; probe < MOST_PROBES; probe += 1) {
      const place = slots[slot + 1] as number;
      if (place === 0) break;
      if (slots[slot] === hash) {
        const entry = entries[place - 1] as Entry | null;
        if (entry !== null && entry.change.key === key) return entry;
      }
      slot = (slot + 2) & mask;
    }
    const place = this.crowded.size === 0 ? undefined : this.crowded.get(key);
    return place === undefined ? null : this.at(place);
  }

  at(place: number): Entry {
    return this.entries[place] as Entry;
  }

  /** Adds an entry whose key is not in here; returns its place. */
  add(entry: Entry): number {
    if (4 * this.usedSlots >= this.slots.length) this.rebuild();
    const hash = this.hashOf(entry.change.key);
    const place = this.free.pop() ?? this.entries.length;
    this.entries[place] = entry;
    this.hashes[place] = hash;
    this.enter(hash, place);
    return place;
  }

  /** Takes out the entry of a place. */
  remove(place: number): void {
    if (this.crowded.size > 0) this.crowded.delete(this.at(place).change.key);
    this.entries[place] = null;
    this.free.push(place);
  }

  private enter(hash: number, place: number): void {
    const { slots } = this;
    const mask = slots.length - 2;
    let slot = (hash << 1) & mask;
    for (let probe = 0; probe < MOST_PROBES; probe += 1) {
      if (slots[slot + 1] === 0) {
        slots[slot] = hash;
        slots[slot + 1] = place + 1;
        this.usedSlots += 1;
        return;
      }
      slot = (slot + 2) & mask;
    }
    this.crowded.set(this.at(place).change.key, place);
  }

  /** Without the slots of removed keys; two to four for each place that there is. */
  private rebuild(): void {
    const { entries, hashes } = this;
    let slots = FEWEST_SLOTS;
    while (slots <= 2 * entries.length) slots *= 2;
    this.slots = new Int32Array(2 * slots);
    this.usedSlots = 0;
    this.crowded.clear();
    for (let place = 0; place < entries.length; place += 1) {
      if (entries[place] !== null) this.enter(hashes[place] as number, place);
    }
  }
}

/** Each character is mixed before the next one comes, so that no two texts meet whatever the seed. */
function seededHashOf(key: string): number {
  let hash = SEED;
  for (let i = 0; i < key.length; i += 1) {
    hash = Math.imul(hash ^ charCodeAt.call(key, i), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}
