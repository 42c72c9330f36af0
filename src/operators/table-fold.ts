import type { Table } from '../pipeline/change.ts';
import type { Entry } from './entry.ts';

/** Where an entry is kept; null once it was taken. Marking costs a fraction of deleting the key from the map. */
interface Cell {
  entry: Entry | null;
}

/** As many cells are kept before it matters how few of them are live. */
const DEAD_CELLS = 1024;

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
  private entries: Cell[] = [];
  private cursor = 0;
  private dueEnd = 0;
  private returned: Cell[] = [];
  private recovered: Cell[] = [];
  private byKey = new Map<string, Cell>();
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

  constructor(table: Table, window: number, topic = '') {
    this.table = table;
    this.topic = topic;
    this.lastProgress = window;
  }

  get size(): number {
    return this.live;
  }

  get hasDue(): boolean {
    return this.returned.length > 0 || this.recovered.length > 0 || this.cursor < this.dueEnd;
  }

  get(key: string): Entry | null {
    return this.byKey.get(key)?.entry ?? null;
  }

  push(entry: Entry): void {
    this.entries.push(this.keep(entry));
  }

  giveBack(entry: Entry): void {
    this.returned.push(this.keep(entry));
  }

  /** Of the store: due at once, as it has waited long enough. */
  recover(entry: Entry): void {
    this.recovered.push(this.keep(entry));
  }

  /** A shorter hold does not end a longer one. */
  hold(untilMs: number): void {
    this.heldUntilMs = Math.max(this.heldUntilMs, untilMs);
    this.isProbing = true;
  }

  close(): void {
    this.dueEnd = this.entries.length;
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
  private takeFrom(cells: Cell[], accept: (entry: Entry) => boolean): boolean {
    let index = 0;
    while (index < cells.length && this.offer(cells[index] as Cell, accept)) index += 1;
    cells.splice(0, index);
    return cells.length === 0;
  }

  /** True when none is left. */
  private takeClosed(accept: (entry: Entry) => boolean): boolean {
    while (this.cursor < this.dueEnd && this.offer(this.entries[this.cursor] as Cell, accept)) this.cursor += 1;
    return this.cursor === this.dueEnd;
  }

  /** Takes out every entry that `matches`, due or not. */
  takeMatching(matches: (entry: Entry) => boolean): Entry[] {
    const found: Entry[] = [];
    const findIn = (cells: Iterable<Cell>): void => {
      for (const cell of cells) {
        if (cell.entry === null || !matches(cell.entry)) continue;
        found.push(cell.entry);
        cell.entry = null;
      }
    };
    findIn(this.returned);
    findIn(this.recovered);
    findIn(this.entries);
    this.live -= found.length;
    this.returned = this.returned.filter(isLive);
    this.recovered = this.recovered.filter(isLive);
    while (this.cursor < this.entries.length && this.entries[this.cursor]?.entry === null) this.cursor += 1;
    this.dueEnd = Math.max(this.dueEnd, this.cursor);
    this.tidy();
    return found;
  }

  private keep(entry: Entry): Cell {
    const cell: Cell = { entry };
    this.byKey.set(entry.change.key, cell);
    this.live += 1;
    return cell;
  }

  private offer(cell: Cell, accept: (entry: Entry) => boolean): boolean {
    if (cell.entry === null) return true;
    if (!accept(cell.entry)) return false;
    cell.entry = null;
    this.live -= 1;
    return true;
  }

  /** Drops what was taken: at once when nothing is left, else when most cells are dead. */
  private tidy(): void {
    const cells = Math.max(this.entries.length, this.byKey.size);
    if (this.live > 0 && (cells <= DEAD_CELLS || cells <= 4 * this.live)) return;
    const due = this.entries.slice(this.cursor, this.dueEnd).filter(isLive);
    const open = this.entries.slice(this.dueEnd).filter(isLive);
    this.entries = [...due, ...open];
    this.cursor = 0;
    this.dueEnd = due.length;
    this.byKey = new Map();
    for (const cell of [...this.returned, ...this.recovered, ...this.entries]) {
      if (cell.entry !== null) this.byKey.set(cell.entry.change.key, cell);
    }
  }
}

function isLive(cell: Cell): boolean {
  return cell.entry !== null;
}
