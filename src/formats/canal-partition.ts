import { columnValue, type Row } from './row-plan.ts';

/**
 * The partition that Canal sends a row to under a `$pk$` hash rule: the database name's Java hash, XOR that of each key
 * value (SQL NULL as the empty text). `old` overlays former values: the partition of the row before an update.
 */
export function canalPartition(
  database: string,
  pkNames: readonly string[],
  row: Row,
  old: Row | null,
  partitions: number,
): number {
  let hash = javaHash(database);
  for (const name of pkNames) {
    const value = (old === null ? undefined : columnValue(old, name)) ?? columnValue(row, name);
    hash ^= javaHash(typeof value === 'string' ? value : String(value ?? ''));
  }
  // The widest negative int has no positive twin in Java and keeps its sign; the remainder comes out the same.
  return Math.abs(hash) % partitions;
}

function javaHash(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash;
}
