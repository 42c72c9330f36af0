import type { Change, Rejection } from '../../src/pipeline/change.ts';
import type { ParkedKey, Partition } from '../../src/pipeline/ports.ts';
import type { ElasticsearchModel } from './elasticsearch-model.ts';
import { nameOf, StoreModel } from './store-model.ts';
import type { Truth, TruthChange } from './truth.ts';

/** A store that tells the oracle what has become durable. */
export class WatchedStore extends StoreModel {
  oracle: Oracle | null = null;

  override append(partition: Partition, changes: readonly Change[]): void {
    super.append(partition, changes);
    for (const { key, op, table, version } of changes) this.oracle?.journaled(table.qualified, key, op, version);
  }

  override park(keys: readonly ParkedKey[]): void {
    super.park(keys);
    for (const { change, topic } of keys)
      this.oracle?.cover(nameOf(topic, change.table.qualified, change.key), change.version);
  }

  override writeLetters(letters: readonly Rejection[]): void {
    super.writeLetters(letters);
    for (const letter of letters) this.oracle?.lettered(letter, REFUSALS.has(letter.reason));
  }
}

export interface OracleOptions {
  readonly truth: Truth;
  readonly store: StoreModel;
  readonly index: ElasticsearchModel;
  readonly journalChanges: 'all' | 'none';
  /** Poison was mended and sent again: what the index refused must be there now. */
  readonly isMended: () => boolean;
  /** Whether the partition is the caller's whose request is being answered. */
  readonly isOwner: (topic: string, partition: number) => boolean;
  /** A letter was written that no settling may close any more. */
  readonly onOvertaken: () => void;
}

/** Why the index refuses what it never takes. */
export const REFUSALS: ReadonlySet<string> = new Set([
  'document_parsing_exception',
  'action_request_validation_exception',
]);

const ORDERED: ReadonlySet<string> = new Set(['upsert', 'delete', 'bad', 'poison']);

/** Compares everything with what the log says. Violations are sentences; the first one is what matters. */
export class Oracle {
  readonly violations: string[] = [];
  private readonly options: OracleOptions;
  /** Highest version of each key that the index took, or that is parked or lettered. As `taken` by topic: versions of two say nothing about each other. */
  private readonly covered = new Map<string, number>();
  /** Highest version of each key that the index took. */
  private readonly taken = new Map<string, number>();
  private readonly letters = new Set<string>();
  private readonly overtaken = new Set<string>();
  private readonly rows = new Set<string>();
  private readonly checkedTo = new Map<string, number>();

  constructor(options: OracleOptions) {
    this.options = options;
  }

  violate(what: string): void {
    this.violations.push(what);
  }

  cover(name: string, version: number): void {
    this.covered.set(name, Math.max(version, this.covered.get(name) ?? 0));
  }

  /** `isNewest`: the index refused it, so it stands for older changes of its key too. */
  lettered({ key, partition, table, topic, version }: Rejection, isNewest: boolean): void {
    if (table === null || key === null) return;
    const name = nameOf(topic, table.qualified, key);
    if (isNewest) {
      // A newer change has settled already, or this comes of a former owner when the new one has counted its letters:
      // nobody is left to close it, a redrive would.
      const isLate = (this.taken.get(name) ?? 0) > version || !this.options.isOwner(topic, partition);
      if (isLate) this.overtaken.add(`${name}\n${version}`);
      else this.overtaken.delete(`${name}\n${version}`);
      if (isLate) this.options.onOvertaken();
      this.cover(name, version);
    }
    this.letters.add(`${name}\n${version}`);
  }

  journaled(table: string, key: string, op: string, version: number): void {
    this.rows.add(`${nameOf(table, key)}\n${op}\n${version}`);
  }

  /** The index was written: versions of a document it remembers never fall. */
  written(write: { index: string; id: string; before: number | null; version: number; outcome: string }): void {
    const { before, id, index, outcome, version } = write;
    const paired = this.options.store.pairings.find((one) => one.index === index);
    if (paired === undefined) {
      this.violate(`${index}/${id} was written before the index was paired`);
      return;
    }
    const name = nameOf(paired.topic, paired.table, id);
    const reached = outcome === 'conflict' ? (before as number) : version;
    this.cover(name, reached);
    this.taken.set(name, Math.max(reached, this.taken.get(name) ?? 0));
    if (outcome !== 'conflict' && before !== null && version < before)
      this.violate(`${index}/${id} went back from version ${before} to ${version}`);
  }

  /** A commit: nothing below it may be unsettled or undurable. */
  committed(topic: string, partition: number, offset: number): void {
    const { truth } = this.options;
    const place = `${topic}/${partition}/${truth.topic(topic).incarnation}`;
    const from = this.checkedTo.get(place) ?? 0;
    for (const change of truth.between(topic, partition, from, offset)) {
      if (!this.isCovered(change)) this.violate(`committed ${offset} before ${describe(change)} was settled`);
      if (!this.isDurable(change, place)) this.violate(`committed ${offset} before ${describe(change)} was journaled`);
    }
    this.checkedTo.set(place, Math.max(from, offset));
  }

  /** After everything has come to rest. */
  final(): void {
    const { store, truth } = this.options;
    const expected = new Map<string, Set<string>>();
    for (const name of truth.keys()) this.checkKey(name, expected);
    for (const [index, keys] of expected) {
      for (const id of this.options.index.documents(index).keys())
        if (!keys.has(id)) this.violate(`${index}/${id} is there and should not be`);
    }
    for (const row of store.deadLetters.values())
      if (row.state === 'redrive') this.violate(`letter ${row.id} still waits to be sent again`);
  }

  private checkKey(name: string, expected: Map<string, Set<string>>): void {
    const { index, truth } = this.options;
    const changes = truth.of(name).filter(({ kind }) => ORDERED.has(kind));
    for (const unordered of truth.of(name).filter(({ kind }) => kind === 'unordered')) {
      const isThere = unordered.incarnation === truth.topic(unordered.topic).incarnation;
      if (isThere && !this.isLettered(unordered)) this.violate(`${describe(unordered)} has no letter`);
    }
    const last = changes.at(-1);
    if (last === undefined) return;
    const indexName = `shop_${last.table}`;
    const found = index.documents(indexName).get(last.key);
    const keys = expected.get(indexName) ?? new Set<string>();
    expected.set(indexName, keys);
    if (found !== undefined) keys.add(last.key);
    const isGood = last.kind === 'upsert' || (last.kind === 'poison' && this.options.isMended());
    if (isGood) this.expectDocument(last, found);
    else if (last.kind === 'delete') {
      if (found !== undefined) this.violate(`${describe(last)} is still there with version ${found.version}`);
    } else {
      if (!this.isLettered(last)) this.violate(`${describe(last)} has no letter`);
      if (this.lettersOf(last).length === 0) this.violate(`the letter of ${describe(last)} is closed`);
      this.expectOlder(changes, last, found);
    }
    if (isGood || last.kind === 'delete') {
      const open = this.openLetters(last);
      if (open.length > 0) this.violate(`${describe(last)} is settled and has an open letter (${open.join(', ')})`);
    }
  }

  private expectDocument(last: TruthChange, found: { version: number; source: string } | undefined): void {
    if (found === undefined) this.violate(`${describe(last)} is missing`);
    else if (found.version !== last.version) this.violate(`${describe(last)} is there with version ${found.version}`);
    else if (found.source !== last.document) this.violate(`${describe(last)} is there with another body`);
  }

  /** Of a key whose last change was refused, one of its earlier states is left; if only the last was, exactly the one before. */
  private expectOlder(
    changes: readonly TruthChange[],
    last: TruthChange,
    found: { version: number; source: string } | undefined,
  ): void {
    const older = changes.slice(0, -1);
    const before = older.at(-1);
    if (last.kind === 'bad' && before?.kind === 'upsert') {
      this.expectDocument(before, found);
      return;
    }
    if (last.kind === 'bad' && (before === undefined || before.kind === 'delete')) {
      if (found !== undefined) this.violate(`${last.table}/${last.key} is there, and nothing asked for it`);
      return;
    }
    if (found === undefined) return;
    const match = older.find(({ version }) => version === found.version);
    if (match === undefined || match.document !== found.source)
      this.violate(`${last.table}/${last.key} holds what was never asked for`);
  }

  private isCovered(change: TruthChange): boolean {
    if (change.kind === 'bad' || change.kind === 'unordered') return this.isLettered(change);
    return this.isLettered(change) || (this.covered.get(nameOfChange(change)) ?? 0) >= change.version;
  }

  private isLettered(change: TruthChange): boolean {
    return this.letters.has(`${nameOfChange(change)}\n${change.version}`);
  }

  private isDurable({ key, kind, offset, partition, table, topic, version }: TruthChange, _place: string): boolean {
    if (kind === 'bad' || kind === 'unordered') return true;
    const op = kind === 'delete' ? 'delete' : 'upsert';
    if (this.rows.has(`${nameOf(`shop.${table}`, key)}\n${op}\n${version}`)) return true;
    if (op === 'delete') return false;
    if (this.options.journalChanges === 'none') return true;
    return this.options.store.journalGaps.some(
      (gap) => gap.topic === topic && gap.partition === partition && gap.from <= offset && gap.to >= offset,
    );
  }

  /** Versions of the open letters of a key, but for those that nobody is left to close. */
  private openLetters(change: TruthChange): number[] {
    return this.lettersOf(change).filter((version) => !this.overtaken.has(`${nameOfChange(change)}\n${version}`));
  }

  private lettersOf({ key, partition, table, topic }: TruthChange): number[] {
    return (
      [...this.options.store.deadLetters.values()]
        .filter((row) => row.tableName === `shop.${table}` && row.key === key && row.state !== 'closed')
        .filter(({ reason }) => reason !== 'unordered-key-change')
        // Of a key that has moved to a partition that was added, nobody closes the letters in its former one.
        .filter((row) => row.partition === partition && row.topic === topic)
        .map((row) => row.version)
    );
  }
}

function nameOfChange({ key, table, topic }: TruthChange): string {
  return nameOf(topic, `shop.${table}`, key);
}

function describe({ key, kind, offset, partition, table, topic, version }: TruthChange): string {
  return `${kind} ${table}/${key} v${version} (${topic}/${partition}@${offset})`;
}
