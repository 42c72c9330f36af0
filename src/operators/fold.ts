import type { Change, ChangeBatch, Table } from '../pipeline/change.ts';
import { sizeOf } from '../pipeline/change.ts';
import type { InFlight, Ticket } from '../pipeline/position.ts';
import { claim, disclaim, type Entry, entryOf, isCovered, isLive, standFor } from './entry.ts';
import { type TableFold, TableFolds } from './table-fold.ts';

export type { Entry } from './entry.ts';

export interface TakeLimit {
  readonly documents: number;
  readonly bytes: number;
}

/**
 * The state of `latestPerKey`, without time or Rx: one entry per distinct key (and topic that it comes from). Every change
 * that enters is accounted for by exactly one entry until that entry is settled, parked, joined to a newer one, or dropped
 * because its partition was assigned anew (then it is read again).
 */
export class Fold {
  private readonly folds = new TableFolds();
  private readonly inFlight: InFlight;
  private turn = 0;
  /** Bytes of all entries in the fold and out of it. */
  bytes = 0;
  /** Keys in the fold. */
  keys = 0;
  /** Entries taken and not yet gone. */
  out = 0;
  /** Number of the open window. */
  window = 0;
  /** Changes that entered since the last `close`, and how many of them met an entry of their key. */
  private entered = 0;
  private superseded = 0;

  constructor(inFlight: InFlight) {
    this.inFlight = inFlight;
  }

  /** Takes up a batch as one unit and gives back the pipeline's own hold on its ticket. */
  add(batch: ChangeBatch): void {
    const { changes, load, ticket, topic } = batch;
    const tickets = [ticket];
    let [bytes, keys] = [0, 0];
    let fold: TableFold | null = null;
    for (const change of changes) {
      if (fold?.table !== change.table) fold = this.folds.of(change.table, topic, this.window);
      const entry = fold.get(change.key);
      if (entry === null) {
        bytes += this.insert(fold, entryOf(change, ticket, this.window, tickets), ticket);
        keys += 1;
      } else bytes += this.supersede(entry, change, ticket);
    }
    this.entered += changes.length;
    this.bytes += bytes;
    this.inFlight.add(bytes - load.bytes, keys - load.changes);
    ticket.release();
  }

  /** Ends the open window: everything in the fold is due. Returns how many changes came, and how many needed no write of their own. */
  close(): { changes: number; superseded: number; hasDue: boolean } {
    let hasDue = false;
    for (const fold of this.folds.all) {
      fold.close();
      hasDue ||= fold.hasDue;
    }
    const { entered: changes, superseded } = this;
    this.entered = 0;
    this.superseded = 0;
    return { changes, superseded, hasDue };
  }

  /** The earliest time (ms) at which something is due: 0 for now, Infinity for not before the next window. */
  dueAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const fold of this.folds.all) {
      if (fold.hasDue && !(fold.isProbing && fold.batchesOut > 0)) at = Math.min(at, fold.heldUntilMs);
    }
    return at;
  }

  /** Takes the next due batch, indexes in turn, or null when nothing may be sent at `nowMs`. */
  take(limit: TakeLimit, nowMs: number): { table: Table; entries: Entry[]; bytes: number } | null {
    const folds = this.folds.all;
    for (let i = 0; i < folds.length; i += 1) {
      const fold = folds[(this.turn + i) % folds.length] as TableFold;
      if (!fold.hasDue || fold.heldUntilMs > nowMs || (fold.isProbing && fold.batchesOut > 0)) continue;
      const taken = this.takeFrom(fold, limit);
      if (taken.entries.length === 0) continue;
      this.turn = ((this.turn + i) % folds.length) + 1;
      fold.batchesOut += 1;
      return { table: fold.table, ...taken };
    }
    return null;
  }

  /** Takes every key that has been unsettled for `windows` windows, or all of an index that took nothing for as long. */
  takeOverdue(windows: number): Entry[] {
    return this.takeSince((fold) => {
      const isStuck = this.window - fold.lastProgress >= windows;
      return isStuck ? this.window - 1 : this.window - windows;
    });
  }

  /** Takes everything, to be parked at the end. */
  takeAll(): Entry[] {
    return this.takeSince(() => this.window);
  }

  /** Takes the keys of each index that became unsettled in the window given or before it. */
  private takeSince(windowOf: (fold: TableFold) => number): Entry[] {
    const found: Entry[] = [];
    for (const fold of this.folds.all) {
      if (fold.size === 0) continue;
      const taken = fold.takeSince(windowOf(fold));
      this.keys -= taken.length;
      this.out += taken.length;
      for (const entry of taken) if (this.keepsLive(entry)) found.push(entry);
    }
    return found;
  }

  /** Joins entries that a newer change has replaced meanwhile to their successors; returns the others. */
  joinSuperseded(entries: readonly Entry[]): Entry[] {
    return entries.filter((entry) => {
      const fold = this.folds.find(entry.change.table, entry.place.topic);
      const newer = fold?.get(entry.change.key) ?? null;
      if (fold === null || newer === null || newer.change.version < entry.change.version) return true;
      this.join(entry, newer, fold);
      return false;
    });
  }

  /** Puts entries back: due at once, ahead of the open window. Those that are parked at their own version are let go instead. */
  giveBack(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (this.joinSuperseded([entry]).length === 0 || !this.keepsLive(entry)) continue;
      if (entry.parkedVersion === entry.change.version) {
        this.settle([entry]);
        continue;
      }
      const fold = this.folds.of(entry.change.table, entry.place.topic, this.window);
      const older = fold.get(entry.change.key);
      if (older !== null) {
        const bytes = sizeOf(entry.change) - sizeOf(older.change);
        this.bytes += bytes;
        this.inFlight.add(bytes, 0);
        standFor(older, entry.change, entry.place);
        this.join(entry, older, fold);
      } else {
        this.out -= 1;
        this.keys += 1;
        fold.giveBack(entry);
      }
    }
  }

  hold(table: Table | null, untilMs: number): void {
    for (const fold of this.folds.all) if (table === null || fold.table === table) fold.hold(untilMs);
  }

  /** A batch that `take` gave out is finished; `progressed` when the index took something of it. Default: the table's first topic. */
  finish(table: Table, progressed: boolean, topic?: string): void {
    const fold = this.folds.find(table, topic);
    if (fold === null) return;
    fold.batchesOut -= 1;
    fold.isFailing = !progressed;
    if (!progressed) return;
    fold.isProbing = false;
    fold.lastProgress = this.window;
  }

  /** Ends entries that are settled, parked, joined or let go: their claims are released and their bytes free. */
  settle(entries: readonly Entry[]): void {
    let bytes = 0;
    for (const entry of entries) bytes += this.end(entry);
    this.inFlight.add(-bytes, -entries.length);
  }

  private takeFrom(fold: TableFold, limit: TakeLimit): { entries: Entry[]; bytes: number } {
    const entries: Entry[] = [];
    let bytes = 0;
    const isHalfFull = (): boolean => 2 * entries.length + 1 >= limit.documents || 2 * bytes >= limit.bytes;
    const accept = (entry: Entry): boolean => {
      const size = sizeOf(entry.change);
      if (entries.length >= limit.documents || (entries.length > 0 && bytes + size > limit.bytes)) return false;
      this.keys -= 1;
      this.out += 1;
      if (this.keepsLive(entry)) {
        entries.push(entry);
        bytes += size;
      }
      return true;
    };
    fold.takeWhile(accept, isHalfFull);
    return { entries, bytes };
  }

  /** Returns the bytes that the entry takes; `add` accounts for them. */
  private insert(fold: TableFold, entry: Entry, ticket: Ticket): number {
    ticket.hold();
    if (fold.size === 0 && fold.batchesOut === 0 && !fold.isFailing) fold.lastProgress = this.window;
    if (ticket.log === null) fold.recover(entry);
    else fold.push(entry);
    this.keys += 1;
    return sizeOf(entry.change);
  }

  /** Returns the bytes by which the entry grows; `add` accounts for them. */
  private supersede(entry: Entry, change: Change, ticket: Ticket): number {
    this.superseded += 1;
    let bytes = 0;
    if (change.version >= entry.change.version) {
      bytes = sizeOf(change) - sizeOf(entry.change);
      standFor(entry, change, ticket);
    }
    if (ticket.log === null) entry.parkedVersion = Math.max(entry.parkedVersion, change.version);
    entry.firstOffset = Math.min(entry.firstOffset, change.offset);
    if (!isCovered(entry, ticket)) {
      ticket.hold();
      claim(entry, ticket);
    }
    return bytes;
  }

  /** Ends `entry` in favour of `successor`, which is in `fold` and takes over its claims. */
  private join(entry: Entry, successor: Entry, fold: TableFold): void {
    for (const ticket of disclaim(entry)) claim(successor, ticket);
    successor.firstOffset = Math.min(successor.firstOffset, entry.firstOffset);
    successor.since = Math.min(successor.since, entry.since);
    fold.heldSince(entry.since);
    successor.parkedVersion = Math.max(successor.parkedVersion, entry.parkedVersion);
    this.settle([entry]);
  }

  /** False, and the entry is let go, when its partition was assigned anew: it is read again. */
  private keepsLive(entry: Entry): boolean {
    if (isLive(entry)) return true;
    this.settle([entry]);
    return false;
  }

  /** The one place where an entry ends, out of the fold. Returns the bytes that are free; `settle` accounts for them. */
  private end(entry: Entry): number {
    const bytes = sizeOf(entry.change);
    this.out -= 1;
    this.bytes -= bytes;
    for (const ticket of disclaim(entry)) ticket.release();
    return bytes;
  }
}
