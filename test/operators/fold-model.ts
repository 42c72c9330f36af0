import assert from 'node:assert/strict';
import { type Entry, Fold } from '../../src/operators/fold.ts';
import { type Change, type ChangeBatch, sizeOf, type Table } from '../../src/pipeline/change.ts';
import { InFlight, PartitionLog, Ticket } from '../../src/pipeline/position.ts';
import { changeAt, Folding, type Held, inherit, isLive, listOf, placeOf, stateOf } from './held.ts';

/** What a ticket is charged with until the position has passed it. */
const TICKET_BYTES = 512;

/** A row that changes: `rows.a`, and how long its document becomes. */
export interface RowChange {
  readonly row: string;
  readonly length: number;
}

/** One step of a history. Numbers that choose something count modulo what there is. */
export type Step =
  | { readonly type: 'read'; readonly partition: number; readonly changes: readonly RowChange[] }
  | {
      readonly type: 'recover';
      readonly partition: number;
      readonly age: number;
      readonly changes: readonly RowChange[];
    }
  | { readonly type: 'tick' }
  | { readonly type: 'take'; readonly documents: number }
  | { readonly type: 'take-all' }
  | { readonly type: 'take-overdue'; readonly windows: number }
  | { readonly type: 'settle' | 'give-back' | 'join'; readonly which: number; readonly count: number }
  | { readonly type: 'reassign'; readonly partition: number };

/**
 * A fold and, beside it, what it must do, in plain maps and lists: the newest change of each key wins, the first offset
 * is inherited, nothing is forgotten. Compares the two after every step.
 */
export class FoldModel {
  private readonly inFlight = new InFlight({ bytes: 1 << 30, changes: 1 << 20 });
  private readonly fold = new Fold(this.inFlight);
  private readonly logs = [0, 1].map((partition) => new PartitionLog('shop', partition, 0, this.inFlight));
  private readonly batches = new Map<PartitionLog, { from: number; to: number }[]>();
  private readonly folding = new Folding();
  private readonly out = new Map<Entry, Held>();
  /** The last window in which something of a table was taken, or in which its first key came after it had none. */
  private readonly progress = new Map<Table, number>();
  private pages = 0;

  run(step: Step): void {
    switch (step.type) {
      case 'read':
        this.read(step.partition, step.changes);
        break;
      case 'recover':
        this.recover(step.partition, step.age, step.changes);
        break;
      case 'tick':
        this.fold.window += 1;
        this.fold.close();
        this.folding.close();
        break;
      case 'take':
        this.take(step.documents);
        break;
      case 'take-all':
        this.takeSince(this.fold.takeAll(), () => this.fold.window);
        break;
      case 'take-overdue':
        this.takeOverdue(step.windows);
        break;
      case 'reassign':
        this.reassign(step.partition);
        break;
      default:
        this.end(step.type, this.choose(step.which, step.count));
    }
    this.compare();
  }

  /** Settles everything: nothing may be left, anywhere. */
  finish(): void {
    this.run({ type: 'take-all' });
    this.end('settle', [...this.out.keys()]);
    this.compare();
    const { bytes, keys, out } = this.fold;
    assert.deepEqual({ bytes, keys, out, pages: this.pages }, { bytes: 0, keys: 0, out: 0, pages: 0 });
    assert.deepEqual([this.inFlight.bytes, this.inFlight.changes], [0, 0]);
    for (const log of this.logs) assert.equal(log.settled, log.read);
  }

  private read(partition: number, rows: readonly RowChange[]): void {
    const log = this.logOf(partition);
    const from = log.read;
    const changes = rows.map(({ length, row }, i) => changeAt(`${row}${'xy'[partition]}`, from + i, length));
    const to = from + Math.max(1, changes.length);
    const ticket = log.admit(from, to, null);
    ticket.journaled();
    this.batchesOf(log).push({ from, to });
    this.add(changes, ticket);
    for (const change of changes) this.enter(change, log);
  }

  private recover(partition: number, age: number, rows: readonly RowChange[]): void {
    const log = this.logOf(partition);
    const offset = Math.max(0, log.read - 1 - age);
    const byRow = new Map(rows.map((one) => [one.row, one]));
    const changes = [...byRow.values()].map(({ length, row }) => changeAt(`${row}${'xy'[partition]}`, offset, length));
    this.pages += 1;
    const onFree = (): void => {
      this.pages -= 1;
    };
    const place = { log: null, topic: 'shop', partition, firstOffset: offset, nextOffset: offset + 1, anchor: null };
    this.add(changes, new Ticket({ ...place, onFree }));
    for (const change of changes) this.enter(change, null);
  }

  private add(changes: readonly Change[], ticket: Ticket): void {
    const load = { bytes: changes.reduce((sum, change) => sum + sizeOf(change), 0), changes: changes.length };
    this.inFlight.add(load.bytes, load.changes);
    const batch: ChangeBatch = { topic: 'shop', partition: ticket.partition, changes, ticket, load };
    this.fold.add(batch);
  }

  private enter(change: Change, log: PartitionLog | null): void {
    const parkedVersion = log === null ? change.version : 0;
    const claims = new Map(log === null ? [] : [[log, change.offset]]);
    const { window: since } = this.fold;
    const held = { change, firstOffset: change.offset, since, parkedVersion, claims, isRecovered: log === null };
    const known = this.folding.find(change);
    if (this.folding.isEmpty(change.table)) this.progress.set(change.table, since);
    // A recovered key is due at once.
    if (known === null) this.folding.push(held, log === null ? 'recovered' : 'entered');
    else {
      if (change.version >= known.change.version) known.change = change;
      inherit(known, held);
    }
  }

  private take(documents: number): void {
    const hadDue = this.folding.tables().some((table) => this.folding.dueOf(table).some(isLive));
    const taken = this.fold.take({ documents, bytes: 1 << 30 }, 0);
    assert.equal(taken !== null, hadDue);
    if (taken === null) {
      for (const table of this.folding.tables()) this.folding.drop(this.folding.dueOf(table));
      return;
    }
    const expected: Held[] = [];
    const passed = new Set<Held>();
    const pass = (some: readonly Held[], room: number): void => {
      for (const held of some) {
        if (passed.has(held)) continue;
        if (expected.length >= room) break;
        passed.add(held);
        if (isLive(held)) expected.push(held);
      }
    };
    const { closed, recovered, returned } = this.folding.partsOf(taken.table);
    pass(returned, documents);
    // Half of a batch is for live changes, as far as there are any.
    pass(recovered, Math.floor(documents / 2));
    pass(closed, documents);
    pass(recovered, documents);
    this.folding.drop([...passed]);
    this.takeOut(taken.entries, expected);
    assert.equal(
      taken.bytes,
      taken.entries.reduce((sum, { change }) => sum + sizeOf(change), 0),
    );
    this.fold.finish(taken.table, true);
    this.progress.set(taken.table, this.fold.window);
  }

  private takeOverdue(windows: number): void {
    const { window } = this.fold;
    const isStuck = (table: Table): boolean => window - (this.progress.get(table) ?? 0) >= windows;
    this.takeSince(this.fold.takeOverdue(windows), (table) => (isStuck(table) ? window - 1 : window - windows));
  }

  /** What became unsettled in the window given for its table, or before it, has been taken, in any order. */
  private takeSince(taken: readonly Entry[], windowOf: (table: Table) => number): void {
    const found = this.folding.all().filter(({ change, since }) => since <= windowOf(change.table));
    this.folding.drop(found);
    const byPlace = <T extends Entry | Held>(a: T, b: T): number => (placeOf(a) < placeOf(b) ? -1 : 1);
    this.takeOut([...taken].sort(byPlace), found.filter(isLive).sort(byPlace));
  }

  /** What came out must be what was held, one by one. */
  private takeOut(entries: readonly Entry[], expected: readonly Held[]): void {
    assert.deepEqual(entries.map(stateOf), expected.map(stateOf));
    for (const [i, entry] of entries.entries()) this.out.set(entry, expected[i] as Held);
  }

  private end(type: 'settle' | 'give-back' | 'join', entries: readonly Entry[]): void {
    if (type === 'settle') {
      this.fold.settle(entries);
      for (const entry of entries) this.out.delete(entry);
      return;
    }
    const left = type === 'join' ? this.fold.joinSuperseded(entries) : [];
    if (type === 'give-back') this.fold.giveBack(entries);
    for (const entry of entries) {
      const held = this.out.get(entry) as Held;
      const successor = this.folding.find(held.change);
      const isSuperseded = successor !== null && successor.change.version >= held.change.version;
      if (type === 'join') assert.equal(left.includes(entry), !isSuperseded);
      if (type === 'join' && !isSuperseded) continue;
      this.out.delete(entry);
      if (isSuperseded) inherit(successor, held);
      else if (!isLive(held) || held.parkedVersion === held.change.version) continue;
      else if (successor !== null) {
        successor.change = held.change;
        inherit(successor, held);
      } else this.folding.push(held, 'returned');
    }
  }

  private reassign(partition: number): void {
    const lost = this.logOf(partition);
    lost.retire();
    const log = new PartitionLog('shop', partition, lost.settled, this.inFlight);
    this.logs[partition] = log;
  }

  private compare(): void {
    const folding = this.folding.all();
    const all = [...folding, ...this.out.values()];
    assert.equal(this.fold.keys, folding.length, 'keys in the fold');
    assert.equal(this.fold.out, this.out.size, 'entries out of the fold');
    const bytes = all.reduce((sum, { change }) => sum + sizeOf(change), 0);
    assert.equal(this.fold.bytes, bytes, 'bytes held');
    let tickets = 0;
    for (const log of this.logs) {
      const batches = this.batchesOf(log);
      const unsettled = all.flatMap(({ claims }) => claims.get(log) ?? []);
      const held = batches.find(({ from, to }) => unsettled.some((offset) => from <= offset && offset < to));
      assert.equal(log.settled, held?.from ?? log.read, `position of partition ${log.partition}`);
      tickets += batches.filter(({ from }) => from >= log.settled).length;
    }
    assert.equal(this.inFlight.bytes, bytes + TICKET_BYTES * tickets, 'bytes in flight');
    assert.equal(this.inFlight.changes, all.length, 'changes in flight');
  }

  private choose(which: number, count: number): Entry[] {
    const entries = [...this.out.keys()];
    const from = entries.length === 0 ? 0 : which % entries.length;
    // Whoever holds entries holds one of each key.
    const chosen = new Map(entries.slice(from, from + count).map((entry) => [placeOf(entry), entry]));
    return [...chosen.values()];
  }

  private logOf(partition: number): PartitionLog {
    return this.logs[partition] as PartitionLog;
  }

  private batchesOf(log: PartitionLog): { from: number; to: number }[] {
    return listOf(this.batches, log);
  }
}
