import type { Change, Table } from '../pipeline/change.ts';
import type { CanalRecord } from './canal-record.ts';
import { documentKey } from './document-key.ts';
import type { DocumentWriter } from './document-writer.ts';
import {
  after,
  afterNumber,
  BACKSLASH,
  CLOSING_BRACE,
  CLOSING_BRACKET,
  COMMA,
  closingQuote,
  OPENING_BRACE,
  plainEnd,
  QUOTE,
} from './json-bytes.ts';
import type { ParsedChanges } from './parsed-changes.ts';
import type { PlannedColumn, RowPlan } from './row-plan.ts';
import type { TableShape } from './table-shape.ts';

const HEAD = Buffer.from('{"data":[{');
const GTID = Buffer.from(',"gtid":"');
const ID = Buffer.from('","id":');
const NULL = Buffer.from('null');
const OPENING_BRACKET = Buffer.from('[');
const NAME_END = Buffer.from('":');

/** A value that is a message of row changes by its end. */
export interface Message {
  readonly value: Buffer;
  readonly operation: Change['operation'];
  /** Where `,"type":…` begins. */
  readonly end: number;
  readonly isAscii: boolean;
}

/** Where a piece of a document comes from. */
interface TemplateColumn {
  /** `"id":` and then `,"name":` as in the message. */
  readonly label: Buffer;
  /** `"id":` and then `,"name":` as in the document; null for a column that stays out of it. */
  readonly prefix: Buffer | null;
  readonly codec: PlannedColumn['codec'];
  /** Place in the key, or -1. */
  readonly keyPlace: number;
}

/**
 * One table's row changes as Canal writes them, read without parsing: everything that is the same in each message is
 * compared as bytes, and only rows and old values are looked at. What deviates in any way is left to the full parser, so
 * whatever this reads of valid JSON, it reads the same. (What is wrong inside an old value or a GTID set goes unseen.)
 */
export class CanalTemplate {
  readonly bytes: number;
  private readonly table: Table;
  private readonly shape: TableShape;
  private readonly plan: RowPlan;
  private readonly columns: readonly TemplateColumn[];
  /** `"name":` of each key column. */
  private readonly keyLabels: readonly Buffer[];
  private readonly keyParts: string[];
  private readonly afterData: Buffer;
  private readonly beforeOld: Buffer;
  private readonly afterOld: Buffer;

  private constructor(record: CanalRecord, plan: RowPlan, keys: readonly PlannedColumn[], shape: TableShape) {
    const { database, mysqlType, pkNames, sqlType, table } = record;
    this.table = shape.route.table;
    this.shape = shape;
    this.plan = plan;
    this.columns = templateColumns(plan, keys);
    this.keyLabels = keys.map(({ name }) => Buffer.from(`${JSON.stringify(name)}:`));
    this.keyParts = keys.map(() => '');
    this.afterData = Buffer.from(`],"database":${JSON.stringify(database)},"es":`);
    this.beforeOld = Buffer.from(`,"isDdl":false,"mysqlType":${JSON.stringify(mysqlType)},"old":`);
    this.afterOld = Buffer.from(
      `,"pkNames":${JSON.stringify(pkNames)},"sql":"","sqlType":${JSON.stringify(sqlType)},"table":${JSON.stringify(table)},"ts":`,
    );
    const labels = this.columns.reduce((sum, { label, prefix }) => sum + label.length + (prefix?.length ?? 0), 0);
    const envelope = this.afterData.length + this.beforeOld.length + this.afterOld.length;
    this.bytes = 1024 + 256 * keys.length + 512 * this.columns.length + labels + envelope;
  }

  /** The template of a message that was parsed in full; null when it is not written as Canal writes. */
  static of(value: Buffer, record: CanalRecord, plan: RowPlan, shape: TableShape): CanalTemplate | null {
    if (plan.keys === null || plan.names.length === 0 || record.sql !== '' || record.isDdl) return null;
    if (record.mysqlType === null || record.sqlType === null || record.pkNames === null) return null;
    const template = new CanalTemplate(record, plan, plan.keys, shape);
    const { afterData, afterOld, beforeOld } = template;
    const isLikeIt =
      after(value, 0, HEAD) > 0 && [afterData, beforeOld, afterOld].every((part) => value.includes(part));
    return isLikeIt ? template : null;
  }

  /** Reads a message into changes. False when it is not quite like the template: then `out` may hold part of its rows. */
  read(message: Message, document: DocumentWriter, out: ParsedChanges, maxRows: number): boolean {
    const { value } = message;
    let at = after(value, 0, HEAD) - 1;
    if (at < 0 || !this.shape.isUsedTo(this.plan)) return false;
    for (let rows = 1; rows <= maxRows; rows += 1) {
      document.begin(message.isAscii);
      at = this.afterRow(value, at, document);
      if (at < 0) return false;
      this.emit(message.operation, document.end(), out);
      if (value[at] === CLOSING_BRACKET) return this.matchesRest(message, at, rows);
      if (value[at] !== COMMA) return false;
      at += 1;
    }
    return false;
  }

  /** Everything from the bracket behind the rows on. */
  private matchesRest({ end, operation, value }: Message, start: number, rows: number): boolean {
    let at = after(value, afterNumber(value, after(value, start, this.afterData)), GTID);
    at = after(value, closingQuote(value, at), ID);
    at = after(value, afterNumber(value, at), this.beforeOld);
    const afterNull = after(value, at, NULL);
    if (afterNull >= 0) at = afterNull;
    else if (operation === 'UPDATE') at = this.afterOldRows(value, at, rows);
    else return false;
    return afterNumber(value, after(value, at, this.afterOld)) === end;
  }

  /** Place after the array of old rows, or -1: not as many as rows, or one of them has a key column, so the key may have changed. */
  private afterOldRows(value: Buffer, start: number, rows: number): number {
    let at = after(value, start, OPENING_BRACKET);
    for (let row = 0; row < rows; row += 1) {
      if (at < 0 || (row > 0 && value[at++] !== COMMA)) return -1;
      at = this.afterOldRow(value, at);
    }
    return at >= 0 && value[at] === CLOSING_BRACKET ? at + 1 : -1;
  }

  private afterOldRow(value: Buffer, start: number): number {
    if (value[start] !== OPENING_BRACE) return -1;
    let at = start + 1;
    if (value[at] === CLOSING_BRACE) return at + 1;
    for (;;) {
      if (value[at] !== QUOTE) return -1;
      for (const label of this.keyLabels) if (after(value, at, label) >= 0) return -1;
      // A name with escapes may be a key column's in disguise: it ends at none of these quotes.
      at = after(value, plainEnd(value, at + 1), NAME_END);
      if (at < 0) return -1;
      at = value[at] === QUOTE ? closingQuote(value, at + 1) + 1 : after(value, at, NULL);
      if (at <= 0) return -1;
      const mark = value[at];
      at += 1;
      if (mark === CLOSING_BRACE) return at;
      if (mark !== COMMA) return -1;
    }
  }

  /** Takes up one row; the place after it, or -1. */
  private afterRow(value: Buffer, start: number, document: DocumentWriter): number {
    if (value[start] !== OPENING_BRACE) return -1;
    let at = start + 1;
    document.byte(OPENING_BRACE);
    for (const column of this.columns) {
      at = after(value, at, column.label);
      if (at < 0) return -1;
      at =
        value[at] === QUOTE ? this.afterText(value, at + 1, column, document) : afterNull(value, at, column, document);
      if (at < 0) return -1;
    }
    document.byte(CLOSING_BRACE);
    return value[at] === CLOSING_BRACE ? at + 1 : -1;
  }

  /** Takes up the value that begins at `start`; the place after its quote, or -1. */
  private afterText(value: Buffer, start: number, column: TemplateColumn, document: DocumentWriter): number {
    const { codec, keyPlace, prefix } = column;
    let end = plainEnd(value, start);
    const isPlain = value[end] === QUOTE;
    if (!isPlain) end = value[end] === BACKSLASH ? closingQuote(value, end) : -1;
    if (end < 0) return -1;
    if (prefix !== null) document.literal(prefix);
    const isCopied = prefix !== null && isPlain && codec.copy !== null && document.copy(codec.copy, value, start, end);
    if (isCopied && keyPlace < 0) return end + 1;
    const text = isPlain ? value.toString('utf8', start, end) : unescaped(value.toString('utf8', start - 1, end + 1));
    if (text === null) return -1;
    if (!isCopied && prefix !== null) {
      const json = codec.json(text);
      if (json === undefined) return -1;
      document.text(json);
    }
    if (keyPlace >= 0) {
      if (!isPlain && text.includes('\ufffd')) return -1;
      const part = isCopied && codec.isKeyWhenCopied ? text : codec.keyPart(text);
      if (part === undefined) return -1;
      this.keyParts[keyPlace] = part;
    }
    return end + 1;
  }

  private emit(operation: Change['operation'], document: string, out: ParsedChanges): void {
    const op = operation === 'DELETE' ? 'delete' : 'upsert';
    out.change({ table: this.table, key: documentKey(this.keyParts), op, operation, document });
  }
}

function templateColumns(plan: RowPlan, keys: readonly PlannedColumn[]): readonly TemplateColumn[] {
  let isFirst = true;
  return plan.columns.map((column, at) => {
    const label = Buffer.from(`${at === 0 ? '' : ','}${JSON.stringify(column.name)}:`);
    const prefix = column.prefix === null ? null : Buffer.from(`${isFirst ? '' : ','}${column.prefix}`);
    if (prefix !== null) isFirst = false;
    return { label, prefix, codec: column.codec, keyPlace: keys.indexOf(column) };
  });
}

/** Takes up a NULL; the place after it, or -1. */
function afterNull(value: Buffer, at: number, { keyPlace, prefix }: TemplateColumn, document: DocumentWriter): number {
  const end = after(value, at, NULL);
  if (end < 0 || keyPlace >= 0) return -1;
  if (prefix !== null) {
    document.literal(prefix);
    document.literal(NULL);
  }
  return end;
}

/** The text that a JSON string stands for; null when it is none. */
function unescaped(json: string): string | null {
  try {
    return JSON.parse(json) as string;
  } catch {
    return null;
  }
}
