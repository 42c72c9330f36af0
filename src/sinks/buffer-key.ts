import type { Table } from '../pipeline/change.ts';

/** Hash tags a table's keys are spread over on Redis Cluster: as many scripts a table and call, and as many slots. */
const BUCKETS = 64;

/**
 * Builds the Redis key of a row: `buffer:<database>.<table>:<key>`, and with a bucket, for Redis Cluster,
 * `buffer:{<database>.<table>.<bucket>}:<key>`, so that all keys of a bucket live in one slot.
 *
 * Distinct rows give distinct keys: in names `%`, `.`, `:`, `{` and `}` are written as `%25`, `%2E`, `%3A`, `%7B`, `%7D`,
 * so the first colon after the table ends it; the row's own key comes last and stays as it is.
 */
export function bufferKey(table: Table, key: string, bucket: number | null): string {
  return bufferPrefix(table, bucket) + key;
}

/** Escaped once a table, not once a row. */
const names = new WeakMap<Table, string>();

/** What all keys of a table (and bucket) begin with. */
export function bufferPrefix(table: Table, bucket: number | null): string {
  let name = names.get(table);
  if (name === undefined) {
    name = `${escapeName(table.database)}.${escapeName(table.name)}`;
    names.set(table, name);
  }
  return bucket === null ? `buffer:${name}:` : `buffer:{${name}.${bucket}}:`;
}

/** The bucket of a row, 0 to 63: 32-bit FNV-1a over the key's UTF-16 units, mod 64. The same in every process and version. */
export function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  // The low bits of FNV-1a see every character; the high ones alone would not, of a short key.
  return (hash >>> 0) % BUCKETS;
}

function escapeName(name: string): string {
  return name.replace(/[%.:{}]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
