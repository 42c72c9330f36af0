/** Bounds the values of one label: each of the first `limit` stands for itself, every later one is `other`. */
export class LabelCap {
  private readonly known: Set<string>;
  private readonly limit: number;

  constructor(limit: number, known: readonly string[] = []) {
    this.limit = limit;
    this.known = new Set(known);
  }

  of(value: string): string {
    if (this.known.has(value)) return value;
    if (this.known.size >= this.limit) return 'other';
    this.known.add(value);
    return value;
  }
}
