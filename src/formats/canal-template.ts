import type { Change, Table } from '../pipeline/change.ts';
import type { JsonDocument } from '../pipeline/json-document.ts';
import type { CanalRecord } from './canal-record.ts';
import type { CanalScanner, ScannedParts } from './canal-scanner.ts';
import { documentKey } from './document-key.ts';
import type { DocumentWriter } from './document-writer.ts';
import type { ParsedChanges } from './parsed-changes.ts';
import type { PlannedColumn, RowPlan } from './row-plan.ts';
import type { TableShape } from './table-shape.ts';

/** What a message of row changes ends with. */
export const ENDS = (['INSERT', 'UPDATE', 'DELETE'] as const).map((operation) => `,"type":"${operation}"}`);

// Words of a row, of a key column's text in it and of a gap; see `ROWS` in `wasm/canal-scanner.ts`.
const ROW_WORDS = 3;
const KEY_WORDS = 3;
const GAP_WORDS = 5;
const IS_PLAIN = 1;
const IS_COPIED = 2;

/**
 * One table's row changes as Canal writes them, read without parsing: everything that is the same in each message is
 * compared as bytes, and only rows and old values are looked at. What deviates in any way is left to the full parser, so
 * whatever this reads of valid JSON, it reads the same. (What is wrong inside an old value or a GTID set goes unseen.)
 */
export class CanalTemplate {
  private readonly scanner: CanalScanner;
  private readonly address: number;
  private readonly table: Table;
  private readonly shape: TableShape;
  private readonly plan: RowPlan;
  private readonly keys: readonly PlannedColumn[];
  private readonly keyParts: string[];

  private constructor(
    scanner: CanalScanner,
    address: number,
    plan: RowPlan,
    keys: readonly PlannedColumn[],
    shape: TableShape,
  ) {
    this.scanner = scanner;
    this.address = address;
    this.table = shape.route.table;
    this.shape = shape;
    this.plan = plan;
    this.keys = keys;
    this.keyParts = keys.map(() => '');
  }

  /** The template of a message that was parsed in full; null when it is not written as Canal writes, or is far too wide. */
  static of(
    scanner: CanalScanner,
    value: Buffer,
    record: CanalRecord,
    plan: RowPlan,
    shape: TableShape,
  ): CanalTemplate | null {
    const { keys } = plan;
    if (keys === null || plan.names.length === 0 || record.sql !== '' || record.isDdl) return null;
    if (record.mysqlType === null || record.sqlType === null || record.pkNames === null) return null;
    const parts = partsOf(record, plan, keys);
    const { afterData, afterOld, beforeOld, ends, head } = parts;
    const isLikeIt =
      value.indexOf(head) === 0 &&
      [afterData, beforeOld, afterOld].every((part) => value.includes(part)) &&
      ends.some((end) => value.lastIndexOf(end) === value.length - end.length);
    if (!isLikeIt) return null;
    const address = scanner.add(parts);
    return address === null ? null : new CanalTemplate(scanner, address, plan, keys, shape);
  }

  /**
   * Reads a message, which the scanner holds, into changes. False when it is not quite like the template: then `out` may hold
   * part of its rows.
   */
  read(value: Buffer, document: DocumentWriter, out: ParsedChanges, maxRows: number): boolean {
    const { scanner } = this;
    if (!this.shape.isUsedTo(this.plan)) return false;
    const operation = scanner.scan(this.address, maxRows);
    if (operation === null || !scanner.isSound(value)) return false;
    const { rows } = scanner;
    let at = scanner.firstRow;
    for (let row = 0; row < rows && at >= 0; row += 1) at = this.afterRow(at, operation, document, out);
    return at >= 0;
  }

  /** Takes up one row; the place after its words, or -1. */
  private afterRow(row: number, operation: Change['operation'], writer: DocumentWriter, out: ParsedChanges): number {
    const { keyParts, keys, scanner, table } = this;
    const { words } = scanner;
    for (let place = 0; place < keys.length; place += 1) {
      const part = this.keyPart(row + ROW_WORDS + KEY_WORDS * place, keys[place] as PlannedColumn);
      if (part === undefined) return -1;
      keyParts[place] = part;
    }
    const gaps = row + ROW_WORDS + KEY_WORDS * keys.length;
    const gapsEnd = gaps + GAP_WORDS * (words[row + 2] as number);
    const [start, end] = [words[row] as number, words[row + 1] as number];
    const document = gaps === gapsEnd ? scanner.document(start, end) : this.filled(start, end, gaps, gapsEnd, writer);
    if (document === null) return -1;
    const op = operation === 'DELETE' ? 'delete' : 'upsert';
    out.change({ table, key: documentKey(keyParts), op, operation, document });
    return gapsEnd;
  }

  private keyPart(at: number, { codec }: PlannedColumn): string | undefined {
    const { scanner } = this;
    const { words } = scanner;
    const flags = words[at + 2] as number;
    if ((flags & IS_COPIED) !== 0 && codec.isKeyWhenCopied) {
      return scanner.asciiText(words[at] as number, words[at + 1] as number);
    }
    const isPlain = (flags & IS_PLAIN) !== 0;
    const text = this.valueText(at, isPlain);
    if (text === null || (!isPlain && text.includes('\ufffd'))) return undefined;
    return codec.keyPart(text);
  }

  /** The document with what its codecs make of the values that were not copied; null when one of them is not of its type. */
  private filled(
    start: number,
    end: number,
    gaps: number,
    gapsEnd: number,
    document: DocumentWriter,
  ): JsonDocument | null {
    const { bytes, words } = this.scanner;
    document.begin();
    let from = start;
    for (let gap = gaps; gap < gapsEnd; gap += GAP_WORDS) {
      const at = words[gap] as number;
      const text = this.valueText(gap + 2, words[gap + 4] === IS_PLAIN);
      const { codec } = this.plan.columns[words[gap + 1] as number] as PlannedColumn;
      const json = text === null ? undefined : codec.json(text);
      if (json === undefined) return null;
      document.bytes(bytes, from, at);
      document.text(json);
      from = at;
    }
    document.bytes(bytes, from, end);
    return document.end();
  }

  /** The text whose start and end are words from `at` on; null when its escapes are none of JSON. */
  private valueText(at: number, isPlain: boolean): string | null {
    const { scanner } = this;
    const [start, end] = [scanner.words[at] as number, scanner.words[at + 1] as number];
    return isPlain ? scanner.text(start, end) : unescaped(scanner.text(start - 1, end + 1));
  }
}

function partsOf(record: CanalRecord, plan: RowPlan, keys: readonly PlannedColumn[]): ScannedParts {
  const { database, mysqlType, pkNames, sqlType, table } = record;
  let isFirst = true;
  const columns = plan.columns.map((column, at) => {
    const label = `${at === 0 ? '' : ','}${JSON.stringify(column.name)}:`;
    const prefix = column.prefix === null ? null : `${isFirst ? '' : ','}${column.prefix}`;
    if (prefix !== null) isFirst = false;
    return { label, prefix, copy: column.codec.copy, keyPlace: keys.indexOf(column) };
  });
  return {
    columns,
    keyLabels: keys.map(({ name }) => `${JSON.stringify(name)}:`),
    head: '{"data":[{',
    afterData: `],"database":${JSON.stringify(database)},"es":`,
    beforeGtid: ',"gtid":"',
    beforeId: '","id":',
    beforeOld: `,"isDdl":false,"mysqlType":${JSON.stringify(mysqlType)},"old":`,
    afterOld: `,"pkNames":${JSON.stringify(pkNames)},"sql":"","sqlType":${JSON.stringify(sqlType)},"table":${JSON.stringify(table)},"ts":`,
    ends: ENDS,
  };
}

/** The text that a JSON string stands for; null when it is none. */
function unescaped(json: string): string | null {
  try {
    return JSON.parse(json) as string;
  } catch {
    return null;
  }
}
