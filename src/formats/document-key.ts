import { hash } from 'node:crypto';

const MAX_BYTES = 512;
const PLAIN = /^[A-Za-z0-9\-._~@]+$/;
/** ASCII but letters, digits and `- . _ ~ @`; control characters, line separators, the byte order mark; lone surrogates. */
const UNSAFE = /[\0-,/:-?[-^`{-}\x7f-\x9f\u2028\u2029\ufeff]|\p{Cs}/gu;

/**
 * Writes one key value so that it can stand in a document id: letters, digits, `- . _ ~ @` and other scripts stay, the rest
 * of ASCII becomes `%` and two hex digits, other controls and lone surrogates `%u` and four. The empty text is `%_`.
 */
export function escapeKeyPart(text: string): string {
  if (PLAIN.test(text)) return text;
  return text === '' ? '%_' : text.replaceAll(UNSAFE, escaped);
}

/**
 * Joins escaped key values to the document id: distinct keys have distinct ids, of 1 to 512 bytes.
 *
 * `1001` → `1001` · (`SKU-1`, `2`) → `SKU-1:2` · (`a:b`, `c`) → `a%3Ab:c` · `''` → `%_` · `a/b c` → `a%2Fb%20c` ·
 * above 512 bytes `%sha256-` and the hex digest of the whole id, which no escape looks like.
 */
export function documentKey(parts: readonly string[]): string {
  const id = parts.length === 1 ? (parts[0] as string) : parts.join(':');
  // No character of UTF-16 takes more than three bytes of UTF-8.
  if (id.length * 3 <= MAX_BYTES || Buffer.byteLength(id) <= MAX_BYTES) return id;
  return `%sha256-${hash('sha256', id, 'hex')}`;
}

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  const hex = code.toString(16).toUpperCase();
  return code < 0x80 ? `%${hex.padStart(2, '0')}` : `%u${hex.padStart(4, '0')}`;
}
