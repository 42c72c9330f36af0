import { isDigit, QUOTE } from './json-bytes.ts';

/**
 * Writes the JSON of a column's value to `to` at `at`, from the bytes `start` to `end` of its text, which hold no quote, no
 * backslash and no control character. Returns the place after it, or -1 when this value takes more than copying: then what
 * was written means nothing, and the codec's `json` knows. Writes at most `COPY_MARGIN` bytes more than the text has.
 */
export type PlainCopy = (from: Uint8Array, start: number, end: number, to: Uint8Array, at: number) => number;

export const COPY_MARGIN = 3;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const SPACE = 0x20;
/** Up to here a loop is faster than the call that copies natively. */
const SHORT = 64;
const DATE_LENGTH = 10;
const DATE_TIME_LENGTH = 19;
const MAX_FRACTION = 9;

/** Any text: the same text in quotes. */
export const copyText: PlainCopy = (from, start, end, to, at) => {
  to[at] = QUOTE;
  const after = copied(from, start, end, to, at + 1);
  to[after] = QUOTE;
  return after + 1;
};

/** An integer without a plus sign or zeros in front. */
export const copyInteger: PlainCopy = (from, start, end, to, at) => {
  const first = from[start] === MINUS ? start + 1 : start;
  if (first >= end || (from[first] === ZERO && end > start + 1)) return -1;
  return areDigits(from, first, end) ? copied(from, start, end, to, at) : -1;
};

/** A decimal of just this scale (1 or more) without zeros in front; in quotes or bare. */
export function copyDecimal(scale: number, isQuoted: boolean): PlainCopy {
  return (from, start, end, to, at) => {
    const isNegative = from[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    const point = end - scale - 1;
    if (point <= first || from[point] !== POINT) return -1;
    // Minus zero loses its sign, which is left to the codec.
    if (from[first] === ZERO && (isNegative || point > first + 1)) return -1;
    if (!areDigits(from, first, point) || !areDigits(from, point + 1, end)) return -1;
    return isQuoted ? copyText(from, start, end, to, at) : copied(from, start, end, to, at);
  };
}

/** A DATE that every month has. */
export const copyDate: PlainCopy = (from, start, end, to, at) =>
  end - start === DATE_LENGTH && isPlainDate(from, start) ? copyText(from, start, end, to, at) : -1;

/** A DATETIME on a day that every month has, as UTC. */
export const copyDateTime: PlainCopy = (from, start, end, to, at) => {
  const time = start + DATE_LENGTH + 1;
  if (end - start < DATE_TIME_LENGTH || from[time - 1] !== SPACE || !isPlainDate(from, start)) return -1;
  if (from[time + 2] !== COLON || from[time + 5] !== COLON) return -1;
  if (!(two(from, time) < 24 && two(from, time + 3) < 60 && two(from, time + 6) < 60)) return -1;
  const fraction = start + DATE_TIME_LENGTH;
  if (end > fraction) {
    const digits = end - fraction - 1;
    if (from[fraction] !== POINT || digits < 1 || digits > MAX_FRACTION || !areDigits(from, fraction + 1, end))
      return -1;
  }
  const after = copyText(from, start, end, to, at);
  to[at + 1 + DATE_LENGTH] = LETTER_T;
  to[after - 1] = LETTER_Z;
  to[after] = QUOTE;
  return after + 1;
};

function copied(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  if (end - start > SHORT) to.set(from.subarray(start, end), at);
  else for (let place = start; place < end; place += 1) to[at + place - start] = from[place] as number;
  return at + end - start;
}

function areDigits(from: Uint8Array, start: number, end: number): boolean {
  for (let place = start; place < end; place += 1) if (!isDigit(from[place])) return false;
  return true;
}

/** Two digits as a number; NaN when they are none. */
function two(from: Uint8Array, at: number): number {
  const [tens, ones] = [from[at], from[at + 1]];
  return isDigit(tens) && isDigit(ones) ? ((tens as number) - ZERO) * 10 + (ones as number) - ZERO : Number.NaN;
}

/** `yyyy-mm-dd`, not in the year 0, on the 28th at the latest. */
function isPlainDate(from: Uint8Array, at: number): boolean {
  if (from[at + 4] !== MINUS || from[at + 7] !== MINUS) return false;
  const year = two(from, at) * 100 + two(from, at + 2);
  const month = two(from, at + 5);
  const day = two(from, at + 8);
  return year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= 28;
}
