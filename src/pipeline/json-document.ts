declare const encoding: unique symbol;

/**
 * JSON text of a row as the bytes of its UTF-8, one character a byte: what Node calls a binary string. A text with a single
 * letter outside Latin-1 takes two bytes a character in memory and is encoded anew for each server; this one takes one byte,
 * and is copied. Made by `documentOf`, read by `textOf`; its `length` is in bytes.
 */
export type JsonDocument = string & { readonly [encoding]: 'utf-8' };

/** A text as a document. What is no text, half a surrogate pair, becomes U+FFFD. */
export function documentOf(text: string): JsonDocument {
  if (Buffer.byteLength(text) === text.length) return text as JsonDocument;
  return Buffer.from(text).toString('latin1') as JsonDocument;
}

/** The text of a document. */
export function textOf(document: JsonDocument): string {
  if (Buffer.byteLength(document) === document.length) return document;
  return Buffer.from(document, 'latin1').toString();
}
