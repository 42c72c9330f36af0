import type { Change, Table } from '../pipeline/change.ts';
import type { Entry } from './fold.ts';

/** As many keys are remembered; then the oldest is forgotten, and found again. */
const MOST_KEYS = 1000;

/**
 * Keys whose document makes a request fail by itself, and what shows that it is the document: other requests of its index
 * get through. One suspect is tried at a time, over all slots; those that meet it wait with it, outside the fold.
 */
export class Suspects {
  private readonly names = new Set<string>();
  private readonly answers = new WeakMap<Table, number>();
  private waiting: Entry[] = [];
  private isTrying = false;

  /** A request of this table got through. */
  answered(table: Table): void {
    this.answers.set(table, this.answersOf(table) + 1);
  }

  /** How many requests of this table got through so far. */
  answersOf(table: Table): number {
    return this.answers.get(table) ?? 0;
  }

  add({ change }: Entry): void {
    const [oldest] = this.names;
    if (oldest !== undefined && this.names.size >= MOST_KEYS) this.names.delete(oldest);
    this.names.add(nameOf(change));
  }

  /** These keys are settled. */
  clear(entries: readonly Entry[]): void {
    if (this.names.size > 0) for (const { change } of entries) this.names.delete(nameOf(change));
  }

  /** Sorts entries into suspects and others. */
  sort(entries: readonly Entry[]): { suspects: readonly Entry[]; others: readonly Entry[] } {
    if (this.names.size === 0) return { suspects: [], others: entries };
    const { suspects = [], others = [] } = Object.groupBy(entries, ({ change }) =>
      this.names.has(nameOf(change)) ? 'suspects' : 'others',
    );
    return { suspects, others };
  }

  /** The suspect to try now, or null while another one is tried. What is not tried waits for `end`. */
  begin(suspects: readonly Entry[]): Entry | null {
    const first = this.isTrying ? null : (suspects[0] ?? null);
    for (const one of suspects) if (one !== first) this.waiting.push(one);
    this.isTrying ||= first !== null;
    return first;
  }

  /** Ends the trial; returns who has waited for it. */
  end(): Entry[] {
    this.isTrying = false;
    const { waiting } = this;
    this.waiting = [];
    return waiting;
  }
}

/** No index has a slash in its name. */
function nameOf({ key, table }: Change): string {
  return `${table.index}/${key}`;
}
