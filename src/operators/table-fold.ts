import type { Table } from '../pipeline/change.ts';
import type { Entry } from './entry.ts';

/** Unsettled keys of one index: due keys first (returned ones, then closed windows), then the open window. */
export class TableFold {
  readonly table: Table;
  private entries: Entry[] = [];
  private cursor = 0;
  private dueEnd = 0;
  private returned: Entry[] = [];
  private byKey = new Map<string, Entry>();
  private live = 0;
  /** No batch is taken before this time (ms): the index takes nothing now. */
  heldUntilMs = 0;
  /** While true one batch at a time is taken: the index answered `hold` and has not taken anything since. */
  isProbing = false;
  /** Batches taken and not yet finished. */
  batchesOut = 0;
  /** True from a batch of which the index took nothing until one of which it took something. */
  isFailing = false;
  /** The last window in which the index took something, or in which its first key came after it had none. */
  lastProgress: number;

  constructor(table: Table, window: number) {
    this.table = table;
    this.lastProgress = window;
  }

  get size(): number {
    return this.live;
  }

  get hasDue(): boolean {
    return this.returned.length > 0 || this.cursor < this.dueEnd;
  }

  get(key: string): Entry | null {
    const entry = this.byKey.get(key);
    return entry === undefined || entry.isTaken ? null : entry;
  }

  push(entry: Entry): void {
    this.entries.push(entry);
    this.byKey.set(entry.change.key, entry);
    this.live += 1;
  }

  giveBack(entry: Entry): void {
    entry.isTaken = false;
    this.returned.push(entry);
    this.byKey.set(entry.change.key, entry);
    this.live += 1;
  }

  close(): void {
    this.dueEnd = this.entries.length;
  }

  /** Takes out due entries, oldest first, until `accept` says no. Taken entries stay in the map, marked, until it is rebuilt. */
  takeWhile(accept: (entry: Entry) => boolean): void {
    let index = 0;
    while (index < this.returned.length && this.offer(this.returned[index] as Entry, accept)) index += 1;
    const isFull = index < this.returned.length;
    this.returned.splice(0, index);
    if (!isFull)
      while (this.cursor < this.dueEnd && this.offer(this.entries[this.cursor] as Entry, accept)) this.cursor += 1;
    this.tidy();
  }

  /** Takes out every entry that `matches`, due or not. */
  takeMatching(matches: (entry: Entry) => boolean): Entry[] {
    const found: Entry[] = [];
    for (const entry of this.returned) if (!entry.isTaken && matches(entry)) found.push(entry);
    for (let i = this.cursor; i < this.entries.length; i += 1) {
      const entry = this.entries[i] as Entry;
      if (!entry.isTaken && matches(entry)) found.push(entry);
    }
    for (const entry of found) entry.isTaken = true;
    this.live -= found.length;
    this.returned = this.returned.filter((entry) => !entry.isTaken);
    while (this.cursor < this.entries.length && (this.entries[this.cursor] as Entry).isTaken) this.cursor += 1;
    this.dueEnd = Math.max(this.dueEnd, this.cursor);
    this.tidy();
    return found;
  }

  private offer(entry: Entry, accept: (entry: Entry) => boolean): boolean {
    if (entry.isTaken) return true;
    if (!accept(entry)) return false;
    entry.isTaken = true;
    this.live -= 1;
    return true;
  }

  /** Drops what was taken: at once when nothing is left, else when most of the map is dead. Deleting one by one costs more. */
  private tidy(): void {
    if (this.live === 0) {
      this.entries = [];
      this.returned = [];
      this.byKey = new Map();
      this.cursor = 0;
      this.dueEnd = 0;
    } else if (this.byKey.size > 1024 && this.byKey.size > 4 * this.live) {
      this.entries = this.entries.slice(this.cursor);
      this.dueEnd -= this.cursor;
      this.cursor = 0;
      this.byKey = new Map();
      for (const entry of this.returned) this.byKey.set(entry.change.key, entry);
      for (const entry of this.entries) if (!entry.isTaken) this.byKey.set(entry.change.key, entry);
    }
  }
}
