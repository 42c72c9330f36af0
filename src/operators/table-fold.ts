import type { Table } from '../pipeline/change.ts';
import type { Entry } from './entry.ts';
import { KeyIndex } from './key-index.ts';

/** So many places are kept before it matters how many of them are taken. */
const MANY = 1024;

/** The folds of all indices. One for each topic that a table comes from: versions of two topics say nothing about each other. */
export class TableFolds {
  private readonly byTable = new Map<Table, TableFold[]>();
  readonly all: TableFold[] = [];

  /** Null when nothing has come of this table, from this topic (or any). */
  find(table: Table, topic?: string): TableFold | null {
    const folds = this.byTable.get(table);
    if (folds === undefined) return null;
    // Nearly always there is one: a second is somebody's mistake, which the pairing will stop.
    for (const fold of folds) if (topic === undefined || fold.topic === topic) return fold;
    return null;
  }

  of(table: Table, topic: string, window: number): TableFold {
    const known = this.find(table, topic);
    if (known !== null) return known;
    const fold = new TableFold(table, window, topic);
    this.all.push(fold);
    this.byTable.set(table, [...(this.byTable.get(table) ?? []), fold]);
    return fold;
  }
}

/** Unsettled keys of one index: those that are due (returned, recovered, of closed windows), and those of the open window. */
export class TableFold {
  readonly table: Table;
  readonly topic: string;
  private byKey = new KeyIndex();
  /** Places of entries: of closed windows, then of the open one; those up to `cursor` were taken. */
  private entered: number[] = [];
  private cursor = 0;
  private dueEnd = 0;
  private returned: number[] = [];
  private recovered: number[] = [];
  /** No key in here became unsettled before this window. */
  private earliest = Number.POSITIVE_INFINITY;
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

  constructor(table: Table, window: number, topic = '') {
    this.table = table;
    this.topic = topic;
    this.lastProgress = window;
  }

  get size(): number {
    return this.byKey.size;
  }

  get hasDue(): boolean {
    return this.returned.length > 0 || this.recovered.length > 0 || this.cursor < this.dueEnd;
  }

  get(key: string): Entry | null {
    return this.byKey.get(key);
  }

  push(entry: Entry): void {
    this.entered.push(this.keep(entry));
  }

  giveBack(entry: Entry): void {
    this.returned.push(this.keep(entry));
  }

  /** Of the store: due at once, as it has waited long enough. */
  recover(entry: Entry): void {
    this.recovered.push(this.keep(entry));
  }

  /** A key in here has been unsettled since this window. */
  heldSince(window: number): void {
    this.earliest = Math.min(this.earliest, window);
  }

  /** A shorter hold does not end a longer one. */
  hold(untilMs: number): void {
    this.heldUntilMs = Math.max(this.heldUntilMs, untilMs);
    this.isProbing = true;
  }

  close(): void {
    this.dueEnd = this.entered.length;
  }

  /**
   * Takes out due entries until `accept` says no: returned ones, recovered ones, those of closed windows. While these wait,
   * recovered ones are left alone once `isHalfFull`, or live changes would wait for the last page that the store has.
   */
  takeWhile(accept: (entry: Entry) => boolean, isHalfFull: () => boolean = () => false): void {
    if (this.takeFrom(this.returned, accept)) {
      this.takeFrom(this.recovered, (entry) => !isHalfFull() && accept(entry));
      if (this.takeClosed(accept)) this.takeFrom(this.recovered, accept);
    }
    this.tidy();
  }

  /** True when none is left. */
  private takeFrom(places: number[], accept: (entry: Entry) => boolean): boolean {
    let taken = 0;
    while (taken < places.length && this.offer(places[taken] as number, accept)) taken += 1;
    if (taken > 0) places.splice(0, taken);
    return places.length === 0;
  }

  /** True when none is left. */
  private takeClosed(accept: (entry: Entry) => boolean): boolean {
    while (this.cursor < this.dueEnd && this.offer(this.entered[this.cursor] as number, accept)) this.cursor += 1;
    return this.cursor === this.dueEnd;
  }

  /** Takes out every entry that became unsettled in this window or before it, due or not. */
  takeSince(window: number): Entry[] {
    const found: Entry[] = [];
    if (window < this.earliest) return found;
    this.earliest = Number.POSITIVE_INFINITY;
    const isLeft = (place: number): boolean => {
      const entry = this.byKey.at(place);
      if (entry.since > window) {
        this.heldSince(entry.since);
        return true;
      }
      found.push(entry);
      this.byKey.remove(place);
      return false;
    };
    this.returned = this.returned.filter(isLeft);
    this.recovered = this.recovered.filter(isLeft);
    const due = this.entered.slice(this.cursor, this.dueEnd).filter(isLeft);
    this.entered = [...due, ...this.entered.slice(this.dueEnd).filter(isLeft)];
    this.cursor = 0;
    this.dueEnd = due.length;
    this.tidy();
    return found;
  }

  private keep(entry: Entry): number {
    this.heldSince(entry.since);
    return this.byKey.add(entry);
  }

  private offer(place: number, accept: (entry: Entry) => boolean): boolean {
    if (!accept(this.byKey.at(place))) return false;
    this.byKey.remove(place);
    return true;
  }

  /** Gives back what keys needed: at once when none is left, else when few of many are. */
  private tidy(): void {
    const { byKey, cursor, entered } = this;
    const isSpacious = byKey.places > MANY && byKey.places > 16 * byKey.size;
    const isNew = byKey.size === 0 ? byKey.places > 0 : isSpacious;
    if (!isNew && cursor < entered.length && (cursor <= MANY || 2 * cursor <= entered.length)) return;
    this.entered = entered.slice(cursor);
    this.dueEnd -= cursor;
    this.cursor = 0;
    if (!isNew) return;
    this.byKey = new KeyIndex();
    const moved = (place: number): number => this.byKey.add(byKey.at(place));
    this.returned = this.returned.map(moved);
    this.recovered = this.recovered.map(moved);
    this.entered = this.entered.map(moved);
  }
}
