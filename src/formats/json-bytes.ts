export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const BACKSLASH = 0x5c;
export const CLOSING_BRACKET = 0x5d;
export const OPENING_BRACE = 0x7b;
export const CLOSING_BRACE = 0x7d;
const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;
/** Up to here a loop is faster than the call that compares natively. */
const SHORT = 48;

/** Place after a literal that stands at `at`, or -1. Also -1 for a negative `at`, so that calls can follow each other. */
export function after(from: Buffer, at: number, literal: Buffer): number {
  const end = at + literal.length;
  if (at < 0 || end > from.length) return -1;
  if (literal.length > SHORT) return literal.compare(from, at, end) === 0 ? end : -1;
  for (let place = 0; place < literal.length; place += 1) if (from[at + place] !== literal[place]) return -1;
  return end;
}

/** Place after the digits that begin at `at`, or -1 when there are none or a zero leads them. */
export function afterNumber(from: Buffer, at: number): number {
  if (at < 0) return -1;
  let end = at;
  while (isDigit(from[end])) end += 1;
  return end === at || (from[at] === ZERO && end > at + 1) ? -1 : end;
}

/** Place of the first byte from `at` on that ends a text or is not plain in it: a quote, a backslash, a control character; or the end. */
export function plainEnd(from: Buffer, at: number): number {
  let end = at;
  for (; end < from.length; end += 1) {
    const byte = from[end] as number;
    if (byte === QUOTE || byte === BACKSLASH || byte < SPACE) break;
  }
  return end;
}

/** Place of the quote that ends the text which `at` is in, or -1. What escapes stand for is not looked at. */
export function closingQuote(from: Buffer, at: number): number {
  if (at < 0) return -1;
  let end = plainEnd(from, at);
  while (from[end] === BACKSLASH) end = plainEnd(from, end + 2);
  return from[end] === QUOTE ? end : -1;
}

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}
