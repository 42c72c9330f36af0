import type { LastChange, LastChanges } from './load.ts';

/** What another process can be sent. */
export type LastChangeArrays = Pick<PackedLastChanges, 'size' | 'numbers' | 'partitions' | 'offsets'>;

/** In arrays of numbers: as objects, those of large loads would be gone through by each collection of garbage in a measured run. */
export class PackedLastChanges implements LastChanges {
  size: number;
  /** By key; 0 for a key that never changed. */
  readonly numbers: Uint32Array;
  readonly partitions: Uint32Array;
  readonly offsets: Uint32Array;

  constructor({ size, numbers, partitions, offsets }: LastChangeArrays) {
    this.size = size;
    this.numbers = numbers;
    this.partitions = partitions;
    this.offsets = offsets;
  }

  /** None yet, of keys 1 to `keys`. */
  static of(keys: number): PackedLastChanges {
    const array = (): Uint32Array => new Uint32Array(keys + 1);
    return new PackedLastChanges({ size: 0, numbers: array(), partitions: array(), offsets: array() });
  }

  set(key: number, { number, offset, partition }: LastChange): void {
    if (this.numbers[key] === 0) this.size += 1;
    this.numbers[key] = number;
    this.partitions[key] = partition;
    this.offsets[key] = offset;
  }

  *[Symbol.iterator](): Generator<readonly [number, LastChange]> {
    const { numbers, offsets, partitions } = this;
    for (let key = 1; key < numbers.length; key += 1) {
      const number = numbers[key] as number;
      if (number > 0) yield [key, { number, partition: partitions[key] as number, offset: offsets[key] as number }];
    }
  }
}
