import type { Change, Table } from '../pipeline/change.ts';
import type { CanalRecord } from './canal-record.ts';
import { documentKey } from './document-key.ts';
import type { ParsedChanges } from './parsed-changes.ts';
import type { PlannedColumn, RowPlan } from './row-plan.ts';
import type { TableShape } from './table-shape.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
/** V8 copies shorter slices; a longer one keeps the whole message in memory. */
const COPIED_LENGTH = 12;
const HEAD = '{"data":[{';
const ENDS = (['INSERT', 'UPDATE', 'DELETE'] as const).map((type) => ({ type, end: `,"type":"${type}"}` }));

/**
 * One table's row changes as Canal writes them, read without parsing: everything that is the same in each message is
 * compared as text, and only rows and old values are looked at. What deviates in any way is left to the full parser, so
 * whatever this reads of valid JSON, it reads the same. (What is wrong inside an old value or a GTID set goes unseen.)
 */
export class CanalTemplate {
  readonly bytes: number;
  private readonly table: Table;
  private readonly shape: TableShape;
  private readonly plan: RowPlan;
  private readonly keys: readonly PlannedColumn[];
  /** Places of the key columns in the row. */
  private readonly keyPlaces: readonly number[];
  private readonly keyLabels: readonly string[];
  /** `"id":` and then `,"name":` of each column, in order. */
  private readonly labels: readonly string[];
  private readonly afterData: string;
  private readonly beforeOld: string;
  private readonly afterOld: string;
  private readonly values: (string | null)[];

  private constructor(record: CanalRecord, plan: RowPlan, keys: readonly PlannedColumn[], shape: TableShape) {
    const { database, mysqlType, pkNames, sqlType, table } = record;
    this.table = shape.route.table;
    this.shape = shape;
    this.plan = plan;
    this.keys = keys;
    this.keyPlaces = keys.map((column) => plan.columns.indexOf(column));
    this.keyLabels = keys.map(({ name }) => `${JSON.stringify(name)}:`);
    this.labels = plan.names.map((name, at) => `${at === 0 ? '' : ','}${JSON.stringify(name)}:`);
    this.afterData = `,"database":${JSON.stringify(database)},"es":`;
    this.beforeOld = `,"isDdl":false,"mysqlType":${JSON.stringify(mysqlType)},"old":`;
    this.afterOld = `,"pkNames":${JSON.stringify(pkNames)},"sql":"","sqlType":${JSON.stringify(sqlType)},"table":${JSON.stringify(table)},"ts":`;
    this.values = plan.names.map(() => null);
    const texts = [...this.labels, this.afterData, this.beforeOld, this.afterOld];
    this.bytes = 1024 + 2 * texts.reduce((sum, text) => sum + text.length, 0);
  }

  /** The template of a message that was parsed in full; null when it is not written as Canal writes. */
  static of(text: string, record: CanalRecord, plan: RowPlan, shape: TableShape): CanalTemplate | null {
    if (plan.keys === null || plan.names.length === 0 || record.sql !== '' || record.isDdl) return null;
    if (record.mysqlType === null || record.sqlType === null || record.pkNames === null) return null;
    const template = new CanalTemplate(record, plan, plan.keys, shape);
    const { afterData, afterOld, beforeOld } = template;
    const isLikeIt = text.startsWith(HEAD) && [afterData, beforeOld, afterOld].every((part) => text.includes(part));
    return isLikeIt ? template : null;
  }

  /** Reads a message into changes. False when it is not quite like the template: then `out` may hold part of its rows. */
  read(text: string, out: ParsedChanges, maxRows: number): boolean {
    if (!text.startsWith(HEAD) || text.includes('\ufffd')) return false;
    const found = ENDS.find(({ end }) => text.endsWith(end));
    if (found === undefined) return false;
    const { end, type } = found;
    if (!this.shape.isUsedTo(this.plan)) return false;
    const hasEscapes = text.includes('\\');
    let rows = 0;
    let at = HEAD.length - 1;
    for (;;) {
      at = this.readRow(text, at, hasEscapes);
      if (at < 0 || !this.emit(type, out)) return false;
      rows += 1;
      if (rows > maxRows) return false;
      if (text.charCodeAt(at) !== COMMA) break;
      at += 1;
    }
    if (text.charCodeAt(at) !== CLOSING_BRACKET) return false;
    return this.matchesRest(text, at + 1, { type, end, rows, hasEscapes });
  }

  /** Everything behind the rows. */
  private matchesRest(
    text: string,
    start: number,
    { end, hasEscapes, rows, type }: { type: Change['operation']; end: string; rows: number; hasEscapes: boolean },
  ): boolean {
    let at = afterNumber(text, after(text, start, this.afterData));
    at = after(text, at, ',"gtid":"');
    if (at < 0) return false;
    at = after(text, closingQuote(text, at, hasEscapes), '","id":');
    at = after(text, afterNumber(text, at), this.beforeOld);
    if (at < 0) return false;
    if (text.startsWith('null', at)) at += 4;
    else if (type === 'UPDATE') at = this.afterOldRows(text, at, rows, hasEscapes);
    else return false;
    at = afterNumber(text, after(text, at, this.afterOld));
    // `read` has looked at the end: what is left must be just that.
    return at === text.length - end.length;
  }

  /** Place after the array of old rows, or -1: not as many as rows, or one of them has a key column, so the key may have changed. */
  private afterOldRows(text: string, start: number, rows: number, hasEscapes: boolean): number {
    if (!text.startsWith('[', start)) return -1;
    let at = start + 1;
    for (let row = 0; row < rows; row += 1) {
      if (row > 0) at = after(text, at, ',');
      at = this.afterOldRow(text, after(text, at, '{'), hasEscapes);
      if (at < 0) return -1;
    }
    return after(text, at, ']');
  }

  private afterOldRow(text: string, start: number, hasEscapes: boolean): number {
    if (start < 0) return -1;
    let at = start;
    if (text.charCodeAt(at) === CLOSING_BRACE) return at + 1;
    for (;;) {
      if (text.charCodeAt(at) !== QUOTE) return -1;
      for (const label of this.keyLabels) if (text.startsWith(label, at)) return -1;
      const end = closingQuote(text, at + 1, hasEscapes);
      // A name may be a key column's in disguise.
      if (hasEscapes && end > 0 && text.slice(at, end).includes('\\')) return -1;
      at = after(text, end, '":');
      if (at < 0) return -1;
      if (text.charCodeAt(at) === QUOTE) at = closingQuote(text, at + 1, hasEscapes) + 1;
      else at = after(text, at, 'null');
      if (at <= 0) return -1;
      const mark = text.charCodeAt(at);
      if (mark === CLOSING_BRACE) return at + 1;
      if (mark !== COMMA) return -1;
      at += 1;
    }
  }

  /** Takes the values of one row; the place after it, or -1. */
  private readRow(text: string, start: number, hasEscapes: boolean): number {
    const { labels, values } = this;
    if (text.charCodeAt(start) !== OPENING_BRACE) return -1;
    let at = start + 1;
    for (let column = 0; column < labels.length; column += 1) {
      const label = labels[column] as string;
      if (!text.startsWith(label, at)) return -1;
      at += label.length;
      if (text.charCodeAt(at) === QUOTE) {
        const end = closingQuote(text, at + 1, hasEscapes);
        if (end < 0) return -1;
        const value = text.slice(at + 1, end);
        const plain = hasEscapes && value.includes('\\') ? unescaped(text.slice(at, end + 1)) : value;
        if (plain === null) return -1;
        values[column] = plain;
        at = end + 1;
      } else if (text.startsWith('null', at)) {
        values[column] = null;
        at += 4;
      } else return -1;
    }
    return text.charCodeAt(at) === CLOSING_BRACE ? at + 1 : -1;
  }

  private emit(operation: Change['operation'], out: ParsedChanges): boolean {
    const key = this.key();
    const document = key === null ? null : this.document();
    if (key === null || document === null) return false;
    out.change({ table: this.table, key, op: operation === 'DELETE' ? 'delete' : 'upsert', operation, document });
    return true;
  }

  private key(): string | null {
    const { keyPlaces, keys } = this;
    const parts: string[] = [];
    for (let at = 0; at < keys.length; at += 1) {
      const value = this.values[keyPlaces[at] as number];
      if (value === null || value === undefined) return null;
      const part = (keys[at] as PlannedColumn).codec.keyPart(value);
      if (part === undefined) return null;
      parts.push(part);
    }
    const key = documentKey(parts);
    return key.length > COPIED_LENGTH ? Buffer.from(key).toString() : key;
  }

  private document(): string | null {
    const { values } = this;
    const { columns } = this.plan;
    let text = '{';
    for (let at = 0; at < columns.length; at += 1) {
      const { codec, prefix } = columns[at] as PlannedColumn;
      if (prefix === null) continue;
      const value = values[at] as string | null;
      const json = value === null ? 'null' : codec.json(value);
      if (json === undefined) return null;
      text += text.length > 1 ? `,${prefix}${json}` : prefix + json;
    }
    text += '}';
    // Asking for its last character makes one string of the pieces, which would keep the whole message in memory.
    text.charCodeAt(text.length - 1);
    return text;
  }
}

/** The text that a JSON string stands for; null when it is none. */
function unescaped(json: string): string | null {
  try {
    return JSON.parse(json) as string;
  } catch {
    return null;
  }
}

/** Place after a literal that stands at `at`, or -1. Comparing a slice takes a quarter of what `startsWith` does on long ones. */
function after(text: string, at: number, literal: string): number {
  const end = at + literal.length;
  return at >= 0 && text.slice(at, end) === literal ? end : -1;
}

/** Place after the digits that begin at `at`, or -1 when there are none or a zero leads them. */
function afterNumber(text: string, at: number): number {
  if (at < 0) return -1;
  let end = at;
  for (let code = text.charCodeAt(end); code >= 0x30 && code <= 0x39; code = text.charCodeAt(end)) end += 1;
  return end === at || (text.charCodeAt(at) === 0x30 && end > at + 1) ? -1 : end;
}

/** Place of the quote that ends the text which begins at `start`, or -1. */
function closingQuote(text: string, start: number, hasEscapes: boolean): number {
  let end = text.indexOf('"', start);
  while (hasEscapes && end > start && text.charCodeAt(end - 1) === BACKSLASH) {
    let backslashes = 1;
    while (end - backslashes > start && text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) break;
    end = text.indexOf('"', end + 1);
  }
  return end;
}
