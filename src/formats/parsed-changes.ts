import {
  type Change,
  type LogRecord,
  type RecordBatch,
  type Rejection,
  type Table,
  versionOf,
} from '../pipeline/change.ts';
import type { ParsedBatch } from '../pipeline/ports.ts';
import { bodyOf, cutBody } from './canal-record.ts';

type Row = Pick<Change, 'table' | 'key' | 'op' | 'operation' | 'document'>;
type BadRow = Pick<Rejection, 'table' | 'key' | 'op' | 'reason' | 'detail'> & { readonly text: string };

/** Gathers what the records of a batch ask for, one record after the other. */
export class ParsedChanges implements ParsedBatch {
  readonly changes: Change[] = [];
  readonly rejected: Rejection[] = [];
  readonly skipped = new Map<string, number>();
  readonly notices: { kind: string; table: string; detail: string; offset: number }[] = [];
  private readonly batch: RecordBatch;
  private readonly noticed = new Set<string>();
  private record: LogRecord | null = null;
  private version = 0;
  private firstChange = 0;
  private firstRejection = 0;
  private ordinal = 0;
  /** Reasons for which this record has a letter without a key. */
  private readonly keyless = new Set<string>();
  /** Rejected rows of this record by key and reason: place in `rejected` and ordinal. */
  private badRows: Map<string, { at: number; ordinal: number }> | null = null;

  constructor(batch: RecordBatch) {
    this.batch = batch;
  }

  /** Begins a record. */
  begin(record: LogRecord): void {
    this.record = record;
    this.version = versionOf(this.batch.epoch, record.offset);
    this.firstChange = this.changes.length;
    this.firstRejection = this.rejected.length;
    this.ordinal = 0;
    this.badRows = null;
    if (this.keyless.size > 0) this.keyless.clear();
  }

  /** Ends a record: a row that is rejected takes back older changes of its key, or their settling would close its letter. */
  end(): void {
    if (this.badRows === null) return;
    let kept = this.firstChange;
    for (let at = this.firstChange; at < this.changes.length; at += 1) {
      const change = this.changes[at] as Change;
      const bad = this.badRows.get(`${change.key}\n`);
      if (bad === undefined || bad.ordinal < change.ordinal) this.changes[kept++] = change;
    }
    this.changes.length = kept;
  }

  /** Gives up what the record has asked for so far and rejects it as a whole. */
  abandon(reason: string, detail: string): void {
    this.changes.length = this.firstChange;
    this.rejected.length = this.firstRejection;
    this.badRows = null;
    this.keyless.clear();
    this.rejectRecord(reason, detail);
  }

  /** Takes back what the record has asked for so far; it is read in another way. */
  restart(): void {
    this.changes.length = this.firstChange;
    this.ordinal = 0;
  }

  /** True when the record has asked for so many changes so far, and for nothing else. */
  isPlain(changes: number): boolean {
    return this.rejected.length === this.firstRejection && this.changes.length - this.firstChange === changes;
  }

  skip(reason: string): void {
    this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + 1);
  }

  notice(kind: string, table: string, detail: string): void {
    const name = `${kind}\n${table}`;
    if (this.noticed.has(name)) return;
    this.noticed.add(name);
    this.notices.push({ kind, table, detail, offset: (this.record as LogRecord).offset });
  }

  change({ table, key, op, operation, document }: Row): void {
    const { offset, timestampMs } = this.record as LogRecord;
    const { ordinal, version } = this;
    this.ordinal += 1;
    this.changes.push({ table, key, op, operation, document, version, offset, ordinal, timestampMs });
  }

  /** Rejects one row whose key is known. */
  rejectRow({ table, key, op, reason, detail, text }: BadRow): void {
    const ordinal = this.ordinal;
    this.ordinal += 1;
    const letter = this.letter(reason, detail, cutBody(text), table, key, op);
    this.badRows ??= new Map();
    this.badRows.set(`${key}\n`, { at: -1, ordinal });
    // The store keeps one letter for a key, version and reason: the last row of the record must be the one.
    const name = `${key}\n${reason}`;
    const former = this.badRows.get(name);
    if (former) this.rejected[former.at] = letter;
    else this.badRows.set(name, { at: this.rejected.push(letter) - 1, ordinal });
  }

  /** Rejects the record, or those of its rows that have no key of their own: one letter a reason. */
  rejectRecord(reason: string, detail: string, table: Table | null = null): void {
    if (this.keyless.has(reason)) return;
    this.keyless.add(reason);
    const { value } = this.record as LogRecord;
    this.rejected.push(this.letter(reason, detail, bodyOf(value), table, null, null));
  }

  private letter(
    reason: string,
    detail: string,
    body: string,
    table: Table | null,
    key: string | null,
    op: Rejection['op'],
  ): Rejection {
    const { partition, topic } = this.batch;
    const { offset } = this.record as LogRecord;
    return { reason, detail, topic, partition, offset, version: this.version, table, key, op, body };
  }
}
