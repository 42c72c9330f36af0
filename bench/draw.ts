export interface DrawShape {
  /** Keys are 1 to `keys`. */
  readonly keys: number;
  /** Exponent of Zipf's law; 0 takes the keys in order. */
  readonly skew: number;
  readonly seed: number;
}

/** Draws keys: each once in order, or by Zipf's law with hot keys spread over the key space. Equal shapes draw equal keys. */
export class Draw {
  private state: number;
  private readonly keys: number;
  /** Sum of the weights of ranks 0 to i; empty when keys come in order. */
  private readonly weights: Float64Array;
  private readonly keyOfRank: Uint32Array;
  private drawn = 0;

  constructor({ keys, skew, seed }: DrawShape) {
    this.state = seed >>> 0;
    this.keys = keys;
    this.weights = new Float64Array(skew > 0 ? keys : 0);
    let sum = 0;
    for (let rank = 0; rank < this.weights.length; rank += 1) {
      sum += 1 / (rank + 1) ** skew;
      this.weights[rank] = sum;
    }
    this.keyOfRank = this.shuffledKeys(this.weights.length);
  }

  next(): number {
    if (this.weights.length === 0) {
      this.drawn += 1;
      return 1 + ((this.drawn - 1) % this.keys);
    }
    const sought = this.random() * (this.weights.at(-1) as number);
    let low = 0;
    let high = this.weights.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.weights[middle] as number) < sought) low = middle + 1;
      else high = middle;
    }
    return this.keyOfRank[low] as number;
  }

  private shuffledKeys(count: number): Uint32Array {
    const keys = Uint32Array.from({ length: count }, (_, index) => index + 1);
    for (let index = count - 1; index > 0; index -= 1) {
      const other = Math.floor(this.random() * (index + 1));
      [keys[index], keys[other]] = [keys[other] as number, keys[index] as number];
    }
    return keys;
  }

  /** Mulberry32: 0 ≤ number < 1. */
  private random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
