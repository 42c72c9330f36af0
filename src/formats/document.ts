import { documentKey } from './document-key.ts';
import { columnValue, type PlannedColumn, type Row, type RowPlan } from './row-plan.ts';

/** Typed values come from other writers of the format; deeper ones than this are refused. */
const MAX_DEPTH = 64;

/** JSON that keeps number tokens as written. Part of V8 since Node 21; not yet in TypeScript's library. */
const rawJson = JSON as unknown as { isRawJSON(value: unknown): value is { rawJSON: string } };

/**
 * Writes a row as JSON text, one line. `old` overlays former values: the row before an update. A value that its column's
 * type cannot hold is written as plain text and its column added to `misfits`: the caller decides what becomes of the row.
 */
export function documentText(plan: RowPlan, row: Row, old: Row | null, misfits: PlannedColumn[]): string {
  let text = '{';
  for (const column of plan.columns) {
    if (column.prefix === null) continue;
    const value = imageValue(row, old, column.name);
    if (value === undefined) continue;
    text += text.length > 1 ? `,${column.prefix}` : column.prefix;
    if (value === null) text += 'null';
    else if (typeof value === 'string') text += column.codec.json(value) ?? misfit(value, column, misfits);
    else text += typedJson(value, column, misfits);
  }
  return `${text}}`;
}

/** Why a row has no id. */
export interface KeyProblem {
  readonly reason: 'null-key' | 'value-mismatch' | 'damaged-key';
  readonly column: string;
}

/**
 * The document id of a row (with `old`, of the row before an update), or why there is none.
 * See `documentKey` for what ids look like.
 */
export function keyOf(keys: readonly PlannedColumn[], row: Row, old: Row | null): string | KeyProblem {
  const parts: string[] = [];
  for (const column of keys) {
    const value = imageValue(row, old, column.name);
    if (value === null || value === undefined) return { reason: 'null-key', column: column.name };
    const text = typeof value === 'string' ? value : scalarText(value, column);
    const part = text === undefined ? undefined : column.codec.keyPart(text);
    if (part === undefined) return { reason: 'value-mismatch', column: column.name };
    // Canal decodes every text as UTF-8: what does not fit becomes U+FFFD, and different keys would become one.
    if (part.includes('\ufffd')) return { reason: 'damaged-key', column: column.name };
    parts.push(part);
  }
  return documentKey(parts);
}

function imageValue(row: Row, old: Row | null, name: string): unknown {
  const former = old === null ? undefined : columnValue(old, name);
  return former === undefined ? columnValue(row, name) : former;
}

function misfit(value: string, column: PlannedColumn, misfits: PlannedColumn[]): string {
  misfits.push(column);
  return JSON.stringify(value);
}

/** A value that is no text: other writers of canal-json send numbers, booleans and trees. */
function typedJson(value: unknown, column: PlannedColumn, misfits: PlannedColumn[]): string {
  const { codec } = column;
  const isFree = codec.type.base === 'unknown' || codec.type.base === 'json';
  const text = scalarText(value, column);
  if (text === undefined) {
    if (isFree && isShallow(value, MAX_DEPTH)) return JSON.stringify(value);
    misfits.push(column);
    return 'null';
  }
  return isFree ? text : (codec.json(text) ?? misfit(text, column, misfits));
}

/** A typed number or boolean as Canal would print it; undefined for trees and for numbers that parsing has rounded. */
function scalarText(value: unknown, column: PlannedColumn): string | undefined {
  if (rawJson.isRawJSON(value)) return value.rawJSON;
  if (typeof value === 'boolean') {
    if (column.codec.type.base === 'unknown' || column.codec.type.base === 'json') return String(value);
    return value ? '1' : '0';
  }
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER ? String(value) : undefined;
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((part) => isShallow(part, depth - 1));
}
