/** Bytes that Canal shows as one character each. BINARY(n) lost its zero bytes at the end: they are put back. */
export function bytesOf(text: string, minLength: number): Buffer | undefined {
  if (/[^\0-\xff]/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'latin1');
  return bytes.length >= minLength ? bytes : Buffer.concat([bytes], minLength);
}

export function base64Json(text: string, minLength: number): string | undefined {
  const bytes = bytesOf(text, minLength);
  return bytes && `"${bytes.toString('base64')}"`;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text whose UTF-8 bytes these characters are, or the same text if they are none. */
export function textOfBytes(text: string): string {
  if (!/[\x80-\xff]/.test(text)) return text;
  const bytes = bytesOf(text, 0);
  if (!bytes) return text;
  try {
    return utf8.decode(bytes);
  } catch {
    return text;
  }
}
