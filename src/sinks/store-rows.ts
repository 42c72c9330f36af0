import type { Change } from '../pipeline/change.ts';
import { documentOf } from '../pipeline/json-document.ts';
import type { TableLookup } from '../pipeline/ports.ts';
import type { SqlRow } from './store-sql.ts';

/** `2031-05-06 07:08:09.010`, in UTC: how both databases write a time (sessions run in UTC). */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 23);
}

/** Milliseconds of what `timeText` wrote. */
export function timeMs(text: unknown): number {
  return Date.parse(`${String(text).replace(' ', 'T')}Z`);
}

/** The table of a row, or null when it is not configured any more. */
export function tableOfRow(row: SqlRow, lookup: TableLookup) {
  const database = String(row.database_name);
  const qualified = String(row.table_name);
  // Split by length: either name may hold a dot.
  return qualified === '' ? null : lookup(database, qualified.slice(database.length + 1));
}

/** What `changeOfRow` reads. Times are left out: to read one costs as much as all the rest. */
export const CHANGE_COLUMNS =
  'table_name, database_name, primary_key, version, record_offset, ordinal, is_delete, operation, data, record_time_ms';

/** The change that a row of `parked_keys` or of the journal was written from, or null when its table is not configured. */
export function changeOfRow(row: SqlRow, lookup: TableLookup): Change | null {
  const table = tableOfRow(row, lookup);
  if (table === null) return null;
  return {
    table,
    key: String(row.primary_key),
    op: Number(row.is_delete) === 1 ? 'delete' : 'upsert',
    operation: String(row.operation) as Change['operation'],
    document: documentOf(String(row.data)),
    version: Number(row.version),
    offset: Number(row.record_offset),
    ordinal: Number(row.ordinal),
    timestampMs: Number(row.record_time_ms),
  };
}

/** Bytes of a change's values in a statement, generously. */
export function rowBytesOf(change: Change): number {
  return 512 + change.document.length + Buffer.byteLength(change.key);
}
