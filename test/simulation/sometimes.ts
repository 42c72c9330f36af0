/** Counts that prove what a batch of runs really met: a rare path that was never taken proves nothing. */
export class Sometimes {
  readonly counts = new Map<string, number>();

  hit(name: string, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  add(other: Sometimes): void {
    for (const [name, times] of other.counts) this.hit(name, times);
  }
}
