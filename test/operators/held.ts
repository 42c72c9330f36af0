import { changeOf } from '../../marbles/change-words.ts';
import type { Entry } from '../../src/operators/fold.ts';
import type { Change, Table } from '../../src/pipeline/change.ts';
import { documentOf } from '../../src/pipeline/json-document.ts';
import type { PartitionLog } from '../../src/pipeline/position.ts';

/** What the fold must know of one unsettled key. */
export interface Held {
  change: Change;
  firstOffset: number;
  /** The window in which it became unsettled. */
  since: number;
  parkedVersion: number;
  /** Its oldest unsettled offset in each log. */
  readonly claims: Map<PartitionLog, number>;
  isRecovered: boolean;
}

/** A key and the index it is of. */
export function placeOf({ change }: { readonly change: Change }): string {
  return `${change.table.name}.${change.key}`;
}

/** `rows.ax` at an offset, with a document of so many characters. */
export function changeAt(row: string, offset: number, length: number): Change {
  return { ...changeOf(`${row}${offset + 1}`), document: documentOf('d'.repeat(length)) };
}

/** Keys in a fold, in lists: what was given back, what was recovered, and what entered, of which the first so many are due. */
export class Folding {
  private readonly returned = new Map<Table, Held[]>();
  private readonly recovered = new Map<Table, Held[]>();
  private readonly entered = new Map<Table, Held[]>();
  private readonly due = new Map<Table, number>();

  push(held: Held, where: 'returned' | 'recovered' | 'entered'): void {
    listOf(this[where], held.change.table).push(held);
  }

  close(): void {
    for (const [table, list] of this.entered) this.due.set(table, list.length);
  }

  tables(): Table[] {
    return [...new Set([...this.returned.keys(), ...this.recovered.keys(), ...this.entered.keys()])];
  }

  all(): Held[] {
    return [...this.returned.values(), ...this.recovered.values(), ...this.entered.values()].flat();
  }

  find({ key, table }: Change): Held | null {
    return this.all().find(({ change }) => change.table === table && change.key === key) ?? null;
  }

  isEmpty(table: Table): boolean {
    return this.all().every(({ change }) => change.table !== table);
  }

  dueOf(table: Table): Held[] {
    const { closed, recovered, returned } = this.partsOf(table);
    return [...returned, ...recovered, ...closed];
  }

  /** What is due, by where it comes from. */
  partsOf(table: Table): { returned: readonly Held[]; recovered: readonly Held[]; closed: readonly Held[] } {
    const closed = listOf(this.entered, table).slice(0, this.due.get(table) ?? 0);
    return { returned: listOf(this.returned, table), recovered: listOf(this.recovered, table), closed };
  }

  drop(some: readonly Held[]): void {
    const isLeft = (held: Held): boolean => !some.includes(held);
    for (const lists of [this.returned, this.recovered]) {
      for (const [table, list] of lists) lists.set(table, list.filter(isLeft));
    }
    for (const [table, list] of this.entered) {
      this.due.set(table, list.slice(0, this.due.get(table) ?? 0).filter(isLeft).length);
      this.entered.set(table, list.filter(isLeft));
    }
  }
}

/** Of two states of one key one is left: it stands for everything that the other stood for. */
export function inherit(into: Held, other: Held): void {
  into.firstOffset = Math.min(into.firstOffset, other.firstOffset);
  into.since = Math.min(into.since, other.since);
  into.parkedVersion = Math.max(into.parkedVersion, other.parkedVersion);
  into.isRecovered ||= other.isRecovered;
  for (const [log, offset] of other.claims) into.claims.set(log, Math.min(offset, into.claims.get(log) ?? offset));
}

/** False when every partition it came from was assigned anew. */
export function isLive({ claims, isRecovered }: Held): boolean {
  return isRecovered || [...claims.keys()].some((log) => log.isCurrent);
}

/** What must be the same of an entry and its model, in words. */
export function stateOf({ change, firstOffset, parkedVersion, since }: Entry | Held): string {
  const { document, key, table, version } = change;
  return `${table.name}.${key}${version} (${document.length}) from ${firstOffset} since ${since}, parked ${parkedVersion}`;
}

/** The list of a key, made at need. */
export function listOf<K, V>(lists: Map<K, V[]>, key: K): V[] {
  let list = lists.get(key);
  if (list === undefined) {
    list = [];
    lists.set(key, list);
  }
  return list;
}
