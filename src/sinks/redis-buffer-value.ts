import { type Change, checksumOf } from '../pipeline/change.ts';
import type { ByteWriter } from './byte-writer.ts';
import { writeJsonString } from './json-string.ts';

/** `{"version":` is 11 bytes; a version fills the 16 after it. The scripts cut it out by these places. */
export const VERSION_START = 11;
export const VERSION_END = 26;
export const VERSION_CHARS = VERSION_END - VERSION_START + 1;

/**
 * Writes the JSON text of a `BufferRecord`, as it is stored in Redis. The version comes first, padded with spaces to 16
 * characters, which JSON allows: so `GET` shows plain JSON with a number, and a script compares two versions exactly, as text
 * of one length. (Numbers in Lua are doubles, and its JSON library rounds integers: neither may touch a version or a row.)
 *
 * A row longer than `maxDataBytes` is stored with empty `data`, under the checksum of the whole row: one value of many
 * megabytes would block Redis for everybody, and the row is in the journal.
 */
export function writeRedisValue(into: ByteWriter, change: Change, maxDataBytes: number): void {
  const { document, key, operation, table, timestampMs, version } = change;
  const head = `{"version":${versionText(version)},"primaryKey":${JSON.stringify(key)},"tableName":${JSON.stringify(table.qualified)}`;
  into.text(`${head},"operation":"${operation}","data":`);
  if (document.length <= maxDataBytes) writeJsonString(into, document);
  else into.binary('""');
  into.text(`,"timestamp":${timestampMs},"checksum":"${checksumOf(document)}"}`);
}

/** Bytes that such a value has, about: nearly every fifth of a row's JSON is a quote, and has a backslash before it. */
export function redisValueBytes({ document, key }: Change, maxDataBytes: number): number {
  return 256 + key.length + (document.length <= maxDataBytes ? 1.25 * document.length : 0);
}

/** A version as 16 characters that compare as text the way the numbers do: a space sorts before every digit. */
export function versionText(version: number): string {
  return String(version).padStart(VERSION_CHARS);
}
