import { type Change, placeOf, type Rejection } from '../../src/pipeline/change.ts';
import { documentOf } from '../../src/pipeline/json-document.ts';
import type {
  DeadLetter,
  JournalGap,
  KeyVersion,
  LetterFilter,
  MonitorRow,
  ParkedKey,
  Partition,
  SettledKey,
  StoredPosition,
  TableLookup,
  TopicRegistration,
} from '../../src/pipeline/ports.ts';
import { deletesIn, isOvertakenBy, type JournalRow, purgeable } from './store-model-journal.ts';

const EPOCH_SIZE = 2 ** 44;
const UNORDERED = 'unordered-key-change';
const BODY_LIMIT = 65_536;
const BACKOFF_MAX_MS = 600_000;

/** A parked key as a row. */
export interface ParkedRow {
  readonly id: number;
  readonly database: string;
  readonly tableName: string;
  change: Change;
  topic: string;
  partition: number;
  firstOffset: number;
  firstVersion: number;
  attempts: number;
  nextAttemptMs: number;
}

export interface LetterRow extends Omit<Rejection, 'table'> {
  readonly id: number;
  state: DeadLetter['state'];
  readonly createdMs: number;
  readonly database: string;
  readonly tableName: string;
}

/**
 * What the store promises (ports.ts), in memory and at once: the conformance suite runs on it. Nothing fails here; what
 * may fail lies between the store and its callers.
 */
export class StoreModel {
  readonly journal = new Map<string, JournalRow>();
  readonly journalGaps: JournalGap[] = [];
  readonly parkedKeys = new Map<string, ParkedRow>();
  readonly deadLetters = new Map<string, LetterRow>();
  readonly registrations = new Map<string, TopicRegistration>();
  readonly pairings: { index: string; table: string; topic: string }[] = [];
  readonly streamPositions = new Map<string, StoredPosition & { settledPlace: number; deletesPlace: number }>();
  readonly monitor = new Map<string, MonitorRow>();
  private lastId = 0;
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  append({ topic, partition }: Partition, changes: readonly Change[]): void {
    for (const change of changes) {
      const id = `${topic}/${partition}/${change.op}/${change.version}/${change.ordinal}`;
      if (this.journal.has(id)) continue;
      this.journal.set(id, { topic, partition, change, createdMs: this.now() });
    }
  }

  recordGaps(gaps: readonly JournalGap[]): void {
    for (const gap of [...gaps].sort((a, b) => a.from - b.from)) {
      const touched = this.journalGaps.findIndex(
        (one) =>
          one.topic === gap.topic &&
          one.partition === gap.partition &&
          one.reason === gap.reason &&
          one.from <= gap.from &&
          one.to >= gap.from - 1,
      );
      const known = this.journalGaps[touched];
      if (known === undefined) this.journalGaps.push({ ...gap });
      else this.journalGaps[touched] = { ...known, to: Math.max(known.to, gap.to) };
    }
  }

  gaps(): readonly JournalGap[] {
    return [...this.journalGaps];
  }

  park(keys: readonly ParkedKey[]): void {
    for (const { topic, partition, change, firstOffset } of keys) {
      const name = nameOf(change.table.qualified, change.key);
      const back = firstOffset > change.offset && placeOf(change.version).epoch > 0 ? EPOCH_SIZE : 0;
      const firstVersion = change.version - change.offset + firstOffset - back;
      const row = this.parkedKeys.get(name);
      if (row === undefined) {
        const { database, qualified: tableName } = change.table;
        const fresh = { attempts: 0, nextAttemptMs: 0, firstOffset, firstVersion };
        this.parkedKeys.set(name, { id: ++this.lastId, database, tableName, change, topic, partition, ...fresh });
        continue;
      }
      if (firstVersion < row.firstVersion) Object.assign(row, { firstOffset, firstVersion });
      if (change.version >= row.change.version) Object.assign(row, { change, topic, partition });
    }
  }

  unpark(keys: readonly KeyVersion[]): number {
    let removed = 0;
    for (const { table, key, version } of keys) {
      const name = nameOf(table.qualified, key);
      const row = this.parkedKeys.get(name);
      if (row === undefined || row.change.version > version) continue;
      this.parkedKeys.delete(name);
      removed += 1;
    }
    return removed;
  }

  parked(
    { topic, partition }: Partition,
    page: { cursor: string | null; limit: number; maxBytes: number; nowMs: number; onlyDue: boolean },
    lookup: TableLookup,
  ): { keys: readonly ParkedKey[]; cursor: string | null } {
    const after = Number(page.cursor ?? 0);
    const found = [...this.parkedKeys.values()]
      .filter((row) => row.topic === topic && row.partition === partition && row.id > after)
      .filter((row) => !page.onlyDue || isDue(row, page.nowMs))
      .sort((a, b) => a.id - b.id)
      .slice(0, page.limit);
    let bytes = 0;
    const rows = found.filter((row, i) => {
      bytes += 512 + row.change.document.length + Buffer.byteLength(row.change.key);
      return i === 0 || bytes <= page.maxBytes;
    });
    if (rows.length === 0) return { keys: [], cursor: null };
    const keys: ParkedKey[] = [];
    for (const row of rows) {
      row.nextAttemptMs = page.nowMs + Math.min(1000 * 2 ** Math.min(row.attempts, 16), BACKOFF_MAX_MS);
      row.attempts += 1;
      const change = changeWith(row.change, row, lookup);
      if (change !== null) keys.push({ topic, partition, change, firstOffset: row.firstOffset });
    }
    const isEnd = rows.length === found.length && rows.length < page.limit;
    return { keys, cursor: isEnd ? null : String(rows.at(-1)?.id) };
  }

  parkedCount(where?: Partition): number {
    return count(this.parkedKeys.values(), (row) => isAt(row, where));
  }

  writeLetters(letters: readonly Rejection[]): void {
    for (const { table, ...letter } of letters) {
      const { topic, partition, version, key, reason } = letter;
      const identity = JSON.stringify([topic, partition, version, key, reason]);
      if (this.deadLetters.has(identity)) continue;
      this.deadLetters.set(identity, {
        ...letter,
        id: ++this.lastId,
        state: 'open',
        createdMs: this.now(),
        database: table?.database ?? '',
        tableName: table?.qualified ?? '',
      });
    }
  }

  closeLetters(keys: readonly SettledKey[]): number {
    const versions = new Map(keys.map((one) => [nameOf(one.table.qualified, one.key, one.topic), one.version]));
    let closed = 0;
    for (const row of this.deadLetters.values()) {
      if (row.state === 'closed' || row.reason === UNORDERED) continue;
      if (row.version > (versions.get(nameOf(row.tableName, row.key ?? '', row.topic)) ?? 0)) continue;
      row.state = 'closed';
      closed += 1;
    }
    return closed;
  }

  letters(filter: LetterFilter, lookup: TableLookup): readonly DeadLetter[] {
    return this.lettersOf(filter)
      .slice(0, filter.limit ?? 100)
      .map((row) => letterOf(row, lookup));
  }

  letterCount(where?: Partition): number {
    return count(this.deadLetters.values(), (row) => row.state !== 'closed' && isAt(row, where));
  }

  requestRedrive(filter: LetterFilter): number {
    if ((filter.state ?? 'open') !== 'open') return 0;
    const rows = this.lettersOf({ ...filter, state: 'open' }).slice(0, filter.limit);
    for (const row of rows) row.state = 'redrive';
    return rows.length;
  }

  redrives(where: Partition, limit: number, lookup: TableLookup) {
    const rows = this.lettersOf({ state: 'redrive' }).filter((row) => isAt(row, where));
    return rows.slice(0, limit).map((row) => {
      const letter = letterOf(row, lookup);
      if (letter.table === null || letter.key === null || letter.reason === UNORDERED)
        return { letter, change: null, isOvertaken: false };
      const newest = isOvertakenBy(this.journal.values(), row);
      const isOvertaken = newest !== null && newest.version > row.version;
      const change = newest === null || isOvertaken ? changeOfLetter(letter) : changeWith(newest, row, lookup);
      return { letter, change, isOvertaken };
    });
  }

  setLetterState(ids: readonly number[], state: DeadLetter['state']): void {
    for (const row of this.deadLetters.values()) if (ids.includes(row.id)) row.state = state;
  }

  registration(topic: string): TopicRegistration | null {
    return this.registrations.get(topic) ?? null;
  }

  register(registration: TopicRegistration): void {
    const known = this.registrations.get(registration.topic);
    if (known === undefined || registration.epoch >= known.epoch)
      this.registrations.set(registration.topic, registration);
  }

  pair(index: string, table: string, topic: string): { index: string; table: string; topic: string } {
    if (!this.pairings.some((one) => one.index === index || one.table === table))
      this.pairings.push({ index, table, topic });
    const standing = this.pairings.filter((one) => one.index === index || one.table === table);
    return (
      standing.find((one) => one.index !== index || one.table !== table || one.topic !== topic) ?? {
        index,
        table,
        topic,
      }
    );
  }

  positions(topic: string): readonly StoredPosition[] {
    return [...this.streamPositions.values()]
      .filter((one) => one.topic === topic)
      .sort((a, b) => a.partition - b.partition)
      .map(({ anchor, candidate, candidateSinceMs, deletesChecked, partition, settled }) => {
        return { topic, partition, settled, anchor, deletesChecked, candidate, candidateSinceMs };
      });
  }

  savePositions(positions: readonly StoredPosition[]): void {
    for (const given of positions) {
      const name = `${given.topic}/${given.partition}`;
      const settledPlace = this.placeAt(given, given.settled);
      const deletesPlace = this.placeAt(given, given.deletesChecked);
      const known = this.streamPositions.get(name);
      if (known === undefined) {
        this.streamPositions.set(name, { ...given, settledPlace, deletesPlace });
        continue;
      }
      const next = { ...known };
      if (settledPlace >= known.settledPlace) {
        const isNewEpoch = Math.floor(settledPlace / EPOCH_SIZE) > Math.floor(known.settledPlace / EPOCH_SIZE);
        const anchor = given.anchor !== null || isNewEpoch ? given.anchor : known.anchor;
        Object.assign(next, { settled: given.settled, settledPlace, anchor });
      }
      if (deletesPlace >= known.deletesPlace) {
        const { candidate, candidateSinceMs, deletesChecked } = given;
        Object.assign(next, { candidate, candidateSinceMs, deletesChecked, deletesPlace });
      }
      this.streamPositions.set(name, next);
    }
  }

  deletesBetween(
    where: Partition,
    { from, to, cursor, limit }: { from: number; to: number; cursor: string | null; limit: number },
    lookup: TableLookup,
  ): { deletes: readonly KeyVersion[]; cursor: string | null } {
    const all = deletesIn(this.journal.values(), where, { from, to });
    const start = Number(cursor ?? 0);
    const deletes: KeyVersion[] = [];
    for (const { table, key, version } of all.slice(start, start + limit)) {
      const own = lookup(table.database, table.name);
      if (own !== null) deletes.push({ table: own, key, version });
    }
    return { deletes, cursor: start + limit < all.length ? String(start + limit) : null };
  }

  addMonitorRows(rows: readonly MonitorRow[]): void {
    for (const row of rows) {
      const id = `${row.batchId}\n${row.table.qualified}`;
      if (!this.monitor.has(id)) this.monitor.set(id, row);
    }
  }

  purge(beforeMs: number, slice: number): number {
    const owed = new Set<string>();
    for (const [name] of this.parkedKeys) owed.add(name);
    for (const row of this.deadLetters.values())
      if (row.state !== 'closed' && row.key !== null) owed.add(nameOf(row.tableName, row.key));
    let purged = 0;
    const isBelow = (row: JournalRow): boolean =>
      row.change.version <= (this.streamPositions.get(`${row.topic}/${row.partition}`)?.deletesPlace ?? -1);
    for (const id of purgeable(this.journal, owed, (row) => row.createdMs < beforeMs && isBelow(row)).slice(0, slice)) {
      this.journal.delete(id);
      purged += 1;
    }
    for (const [id, row] of this.monitor) if (row.endMs < beforeMs && this.monitor.delete(id)) purged += 1;
    for (const [id, row] of this.deadLetters)
      if (row.state === 'closed' && row.createdMs < beforeMs && this.deadLetters.delete(id)) purged += 1;
    return purged;
  }

  private lettersOf({ table, reason, state, id }: LetterFilter): LetterRow[] {
    return [...this.deadLetters.values()].filter(
      (row) =>
        (table === undefined || row.tableName === table) &&
        (reason === undefined || row.reason === reason) &&
        (state === undefined || row.state === state) &&
        (id === undefined || row.id === id),
    );
  }

  /** The epoch of an offset and the offset as one number, by the registration in force. */
  private placeAt({ topic, partition }: Partition, offset: number): number {
    const { epoch = 0, boundaries = [] } = this.registrations.get(topic) ?? {};
    const own = boundaries.filter((one) => one.partition === partition).sort((a, b) => b.epoch - a.epoch);
    const reached = own.find(({ fromOffset }) => fromOffset <= offset)?.epoch;
    return (reached ?? Math.max(0, own.length === 0 ? epoch : (own.at(-1)?.epoch ?? 1) - 1)) * EPOCH_SIZE + offset;
  }
}

export function nameOf(...parts: readonly string[]): string {
  return parts.join('\n');
}

function isAt(row: Partition, where?: Partition): boolean {
  return where === undefined || (row.topic === where.topic && row.partition === where.partition);
}

function isDue({ nextAttemptMs }: ParkedRow, nowMs: number): boolean {
  return nextAttemptMs <= nowMs || nextAttemptMs > nowMs + BACKOFF_MAX_MS;
}

function count<T>(values: Iterable<T>, counts: (value: T) => boolean): number {
  let sum = 0;
  for (const value of values) if (counts(value)) sum += 1;
  return sum;
}

function changeWith(
  change: Change,
  { database, tableName }: { database: string; tableName: string },
  lookup: TableLookup,
): Change | null {
  const table = lookup(database, tableName.slice(database.length + 1));
  return table === null ? null : { ...change, table };
}

function letterOf({ database, tableName, ...row }: LetterRow, lookup: TableLookup): DeadLetter {
  const table = tableName === '' ? null : lookup(database, tableName.slice(database.length + 1));
  return { ...row, table };
}

function changeOfLetter({ table, key, op, version, offset, body, createdMs }: DeadLetter): Change | null {
  if (table === null || key === null || op === null) return null;
  if (op === 'upsert' && (body.length >= BODY_LIMIT || !body.startsWith('{') || !isJson(body))) return null;
  const operation = op === 'delete' ? 'DELETE' : 'UPDATE';
  return { table, key, op, operation, document: documentOf(body), version, offset, ordinal: 0, timestampMs: createdMs };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
