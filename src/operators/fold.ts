import type { Change, ChangeBatch, Table } from '../pipeline/change.ts';
import { sizeOf } from '../pipeline/change.ts';
import type { InFlight, Ticket } from '../pipeline/position.ts';

/**
 * The newest unsettled change of one key, with the claims of every change it stands for. States: folding (newer changes
 * replace `change`), taken (out of the fold, on its way to the index or to the store), gone (settled, parked or joined).
 */
export interface Entry {
  change: Change;
  /** Tickets held, one a log at most: the oldest unsettled change of this key in that log. */
  tickets: Ticket[];
  /** Offset of the oldest unsettled change. */
  firstOffset: number;
  /** The window in which the key became unsettled. */
  since: number;
  /** The version that the store holds for this key (parked, or in a letter sent again), as far as this entry knows; 0 when none. */
  parkedVersion: number;
  isTaken: boolean;
}

/** Unsettled keys of one index: due keys first (returned ones, then closed windows), then the open window. */
class TableFold {
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

export interface TakeLimit {
  readonly documents: number;
  readonly bytes: number;
}

/**
 * The state of `latestPerKey`, without time or Rx: one entry per distinct key. Every change that enters is accounted for
 * by exactly one entry until that entry is settled, parked, joined to a newer one, or dropped because its partition was
 * assigned anew (then it is read again).
 */
export class Fold {
  private readonly tables = new Map<Table, TableFold>();
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
  /** Changes that entered since the last `close`: what the window saved. */
  entered = 0;

  constructor(inFlight: InFlight) {
    this.inFlight = inFlight;
  }

  /** Takes up a batch as one unit and gives back the pipeline's own hold on its ticket. */
  add(batch: ChangeBatch): void {
    for (const change of batch.changes) {
      const fold = this.tableFold(change.table);
      const entry = fold.get(change.key);
      if (entry === null) this.insert(fold, change, batch.ticket);
      else this.supersede(entry, change, batch.ticket);
    }
    this.entered += batch.changes.length;
    this.inFlight.add(-batch.load.bytes, -batch.load.changes);
    batch.ticket.release();
  }

  /** Ends the open window: everything in the fold is due. Returns how many changes and keys the window folded. */
  close(): { changes: number; hasDue: boolean } {
    let hasDue = false;
    for (const fold of this.tables.values()) {
      fold.close();
      hasDue ||= fold.hasDue;
    }
    const changes = this.entered;
    this.entered = 0;
    return { changes, hasDue };
  }

  /** The earliest time (ms) at which something is due: 0 for now, Infinity for not before the next window. */
  dueAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const fold of this.tables.values()) {
      if (fold.hasDue && !(fold.isProbing && fold.batchesOut > 0)) at = Math.min(at, fold.heldUntilMs);
    }
    return at;
  }

  /** Takes the next due batch, indexes in turn, or null when nothing may be sent at `nowMs`. */
  take(limit: TakeLimit, nowMs: number): { table: Table; entries: Entry[]; bytes: number } | null {
    const folds = [...this.tables.values()];
    for (let i = 0; i < folds.length; i += 1) {
      const fold = folds[(this.turn + i) % folds.length] as TableFold;
      if (!fold.hasDue || fold.heldUntilMs > nowMs || (fold.isProbing && fold.batchesOut > 0)) continue;
      const taken = this.takeFrom(fold, limit);
      if (taken.entries.length === 0) continue;
      this.turn = (this.turn + i + 1) % folds.length;
      fold.batchesOut += 1;
      return { table: fold.table, ...taken };
    }
    return null;
  }

  /** Takes every key that has been unsettled for `windows` windows, or all of an index that took nothing for as long. */
  takeOverdue(windows: number): Entry[] {
    const overdue: Entry[] = [];
    for (const fold of this.tables.values()) {
      if (fold.size === 0) continue;
      const isStuck = this.window - fold.lastProgress >= windows;
      const limit = isStuck ? this.window - 1 : this.window - windows;
      const taken = fold.takeMatching((entry) => entry.since <= limit);
      this.keys -= taken.length;
      this.out += taken.length;
      for (const entry of taken) if (this.keepsLive(entry)) overdue.push(entry);
    }
    return overdue;
  }

  /** Takes everything, to be parked at the end. */
  takeAll(): Entry[] {
    const all: Entry[] = [];
    for (const fold of this.tables.values()) {
      const taken = fold.takeMatching(() => true);
      this.keys -= taken.length;
      this.out += taken.length;
      for (const entry of taken) if (this.keepsLive(entry)) all.push(entry);
    }
    return all;
  }

  /** Joins entries that a newer change has replaced meanwhile to their successors; returns the others. */
  joinSuperseded(entries: readonly Entry[]): Entry[] {
    return entries.filter((entry) => {
      const newer = this.tables.get(entry.change.table)?.get(entry.change.key) ?? null;
      if (newer === null || newer.change.version < entry.change.version) return true;
      this.join(entry, newer);
      return false;
    });
  }

  /** Puts entries back: due at once, ahead of the open window. Those that are parked at their own version are let go instead. */
  giveBack(entries: readonly Entry[]): void {
    for (const entry of this.joinSuperseded(entries)) {
      if (!this.keepsLive(entry)) continue;
      if (entry.parkedVersion === entry.change.version) {
        this.gone(entry);
        continue;
      }
      const fold = this.tableFold(entry.change.table);
      const older = fold.get(entry.change.key);
      if (older !== null) {
        this.account(sizeOf(entry.change) - sizeOf(older.change));
        older.change = entry.change;
        this.join(entry, older);
      } else {
        this.out -= 1;
        this.keys += 1;
        fold.giveBack(entry);
      }
    }
  }

  hold(table: Table | null, untilMs: number): void {
    for (const fold of this.tables.values()) {
      if (table !== null && fold.table !== table) continue;
      fold.heldUntilMs = untilMs;
      fold.isProbing = true;
    }
  }

  /** A batch that `take` gave out is finished; `progressed` when the index took something of it. */
  finish(table: Table, progressed: boolean): void {
    const fold = this.tableFold(table);
    fold.batchesOut -= 1;
    fold.isFailing = !progressed;
    if (!progressed) return;
    fold.isProbing = false;
    fold.lastProgress = this.window;
  }

  /** Ends entries that are settled or parked: their claims are released and their bytes free. */
  settle(entries: readonly Entry[]): void {
    for (const entry of entries) this.gone(entry);
  }

  private takeFrom(fold: TableFold, limit: TakeLimit): { entries: Entry[]; bytes: number } {
    const entries: Entry[] = [];
    let bytes = 0;
    fold.takeWhile((entry) => {
      const size = sizeOf(entry.change);
      if (entries.length >= limit.documents || (entries.length > 0 && bytes + size > limit.bytes)) return false;
      this.keys -= 1;
      this.out += 1;
      if (this.keepsLive(entry)) {
        entries.push(entry);
        bytes += size;
      }
      return true;
    });
    return { entries, bytes };
  }

  private insert(fold: TableFold, change: Change, ticket: Ticket): void {
    ticket.hold();
    if (fold.size === 0 && fold.batchesOut === 0 && !fold.isFailing) fold.lastProgress = this.window;
    const isRecovered = ticket.log === null;
    fold.push({
      change,
      tickets: [ticket],
      firstOffset: change.offset,
      since: this.window,
      parkedVersion: isRecovered ? change.version : 0,
      isTaken: false,
    });
    this.keys += 1;
    this.account(sizeOf(change));
    this.inFlight.add(0, 1);
  }

  private supersede(entry: Entry, change: Change, ticket: Ticket): void {
    if (change.version >= entry.change.version) {
      this.account(sizeOf(change) - sizeOf(entry.change));
      entry.change = change;
    }
    if (ticket.log === null) entry.parkedVersion = Math.max(entry.parkedVersion, change.version);
    entry.firstOffset = Math.min(entry.firstOffset, change.offset);
    if (entry.tickets.length === 1 && entry.tickets[0] === ticket) return;
    ticket.hold();
    this.claim(entry, ticket);
  }

  /** Ends `entry` in favour of `successor`, which takes over its claims. */
  private join(entry: Entry, successor: Entry): void {
    for (const ticket of entry.tickets) this.claim(successor, ticket);
    entry.tickets = [];
    successor.firstOffset = Math.min(successor.firstOffset, entry.firstOffset);
    successor.since = Math.min(successor.since, entry.since);
    successor.parkedVersion = Math.max(successor.parkedVersion, entry.parkedVersion);
    this.gone(entry);
  }

  /** Hands one hold of `ticket` to the entry. Of two holds in one log the older counts; one that no longer counts is released. */
  private claim(entry: Entry, ticket: Ticket): void {
    const { tickets } = entry;
    const slot = tickets.findIndex((held) => held.log === ticket.log);
    const held = tickets[slot];
    if (held === undefined) tickets.push(ticket);
    else if (ticket.log !== null && ticket.firstOffset < held.firstOffset) {
      tickets[slot] = ticket;
      held.release();
    } else ticket.release();
    if (tickets.length < 2) return;
    // A page of recovered keys need not wait for a key that the live stream has taken over, nor an old assignment for anything.
    const isLiveHeld = tickets.some((one) => one.log !== null && one.isLive);
    entry.tickets = tickets.filter((one) => {
      const counts = one.isLive && !(one.log === null && isLiveHeld);
      if (!counts) one.release();
      return counts;
    });
  }

  /** False, and the entry is let go, when its partition was assigned anew: it is read again. */
  private keepsLive(entry: Entry): boolean {
    if (entry.tickets.some((ticket) => ticket.isLive)) return true;
    this.gone(entry);
    return false;
  }

  /** The one place where an entry ends. Only entries that are out of the fold end. */
  private gone(entry: Entry): void {
    for (const ticket of entry.tickets) ticket.release();
    entry.tickets = [];
    this.out -= 1;
    this.account(-sizeOf(entry.change));
    this.inFlight.add(0, -1);
  }

  private account(bytes: number): void {
    this.bytes += bytes;
    this.inFlight.add(bytes, 0);
  }

  private tableFold(table: Table): TableFold {
    let fold = this.tables.get(table);
    if (fold === undefined) {
      fold = new TableFold(table, this.window);
      this.tables.set(table, fold);
    }
    return fold;
  }
}

/** The newest change of each key of a batch, by version and then by place in the record, in order of first appearance. */
export function newestPerKey(changes: readonly Change[]): readonly Change[] {
  if (changes.length < 2) return changes;
  const newest = new Map<Table, Map<string, Change>>();
  for (const change of changes) {
    let keys = newest.get(change.table);
    if (keys === undefined) {
      keys = new Map();
      newest.set(change.table, keys);
    }
    const held = keys.get(change.key);
    if (held === undefined || change.version >= held.version) keys.set(change.key, change);
  }
  return [...newest.values()].flatMap((keys) => [...keys.values()]);
}
