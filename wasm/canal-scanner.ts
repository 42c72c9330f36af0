/**
 * Reads one message of Canal by a template: everything that is the same in each message of a table is compared, 16 bytes at a
 * time, and rows are copied into documents. AssemblyScript; `npm run build:wasm` makes `src/formats/canal-scanner-code.ts` of it.
 *
 * Places are addresses, and 0 is none: whatever begins at 0 ends at 0, so calls can follow each other. The message ends with
 * 32 bytes of 0, which no literal holds and no text goes beyond, so nobody has to look for the end.
 */

import { BACKSLASH, CLOSING_BRACKET, COMMA, marksIn, QUOTE, SPACE, ZERO } from './marks';
import { hashOfTable, hashWithDatabase } from './table-name';

/** Behind each area: texts are read and written 16 bytes at a time. */
const MARGIN: usize = 64;

/** Two words: how many rows the message has, and what its text is (`survey`). */
export const RESULT: usize = 64;
export const INPUT: usize = 1024;
export const INPUT_BYTES: usize = 1 << 20;
/**
 * Words, row by row: start and end of its document, number of its gaps; for each key column start and end of the text and
 * flags (1 it is plain, 2 it was copied); for each gap its place in the document, its column, start and end of the text, and
 * 1 if that is plain.
 */
export const ROWS: usize = INPUT + INPUT_BYTES + MARGIN;
const ROWS_END: usize = ROWS + (1 << 20);
const DOCUMENTS: usize = ROWS_END + MARGIN;
const DOCUMENTS_END: usize = DOCUMENTS + (3 << 20);
export const TEMPLATES: usize = DOCUMENTS_END + MARGIN;
export const TEMPLATES_END: usize = 140 * 65536 - MARGIN;

// A template in words. A literal is two: its address and its length.
const COLUMN_COUNT: usize = 0;
const KEY_COUNT: usize = 4;
const HEAD: usize = 8;
const AFTER_DATA: usize = 16;
const BEFORE_GTID: usize = 24;
const BEFORE_ID: usize = 32;
const BEFORE_OLD: usize = 40;
const AFTER_OLD: usize = 48;
/** Of an INSERT, an UPDATE and a DELETE. */
const ENDS: usize = 56;
/** Columns, and behind them the name of each key column as a literal. */
const COLUMNS: usize = 80;
/** Name in the message; name in the document, of length -1 if the column stays out of it; kind; scale; place in the key or -1. */
const COLUMN_BYTES: usize = 28;
const FIELD: usize = 8;
const FIELD_LENGTH: usize = 12;
const KIND: usize = 16;
const SCALE: usize = 20;
const KEY_PLACE: usize = 24;
const LITERAL_BYTES: usize = 8;
const KEY_BYTES: usize = 12;
const GAP_BYTES: usize = 20;

/** What `scan` answers, beside 0. */
const UPDATE: i32 = 2;
const OPERATIONS: i32 = 3;

// Kinds of columns. Of any other every value is a gap.
const TEXT: i32 = 1;
const INTEGER: i32 = 2;
const DECIMAL: i32 = 3;
const QUOTED_DECIMAL: i32 = 4;
const DATE: i32 = 5;
const DATE_TIME: i32 = 6;

const MINUS: u8 = 0x2d;
const POINT: u8 = 0x2e;
const COLON: u8 = 0x3a;
const LETTER_T: u8 = 0x54;
const LETTER_Z: u8 = 0x5a;
const OPENING_BRACKET: u8 = 0x5b;
const OPENING_BRACE: u8 = 0x7b;
const CLOSING_BRACE: u8 = 0x7d;
/** `":` and `null`, as they lie in memory. */
const NAME_END: u16 = 0x3a22;
const NULL: u32 = 0x6c6c756e;

/** Where the document goes on, and the words about rows. */
let output: usize = 0;
let word: usize = 0;

/**
 * Reads the `length` bytes at INPUT. Returns 1 for an INSERT, 2 for an UPDATE, 3 for a DELETE, with what it found at RESULT and
 * ROWS; 0 when the message is not quite like the template, or has more rows than `maxRows` or than there is room for.
 */
export function scan(template: usize, length: usize, maxRows: i32): i32 {
  const end = INPUT + length;
  v128.store(end, v128.splat<u8>(0));
  v128.store(end + 16, v128.splat<u8>(0));
  let at = after(INPUT, template + HEAD);
  if (at === 0) return 0;
  output = DOCUMENTS;
  word = ROWS;
  let rows: i32 = 0;
  let mark = COMMA;
  at -= 1;
  while (mark === COMMA) {
    if (rows === maxRows) return 0;
    at = afterRow(at, template);
    if (at === 0) return 0;
    rows += 1;
    mark = load<u8>(at);
    at += 1;
  }
  at = after(at - 1, template + AFTER_DATA);
  at = after(afterNumber(at), template + BEFORE_GTID);
  at = after(closingQuote(at), template + BEFORE_ID);
  at = after(afterNumber(at), template + BEFORE_OLD);
  if (at === 0) return 0;
  const hasOld = load<u32>(at) !== NULL;
  at = hasOld ? afterOldRows(at, template, rows) : at + 4;
  at = afterNumber(after(at, template + AFTER_OLD));
  for (let operation: i32 = 1; operation <= OPERATIONS; operation += 1) {
    if (after(at, template + ENDS + LITERAL_BYTES * (operation - 1)) !== end) continue;
    if (hasOld && operation !== UPDATE) return 0;
    store<u32>(RESULT, rows);
    store<u32>(RESULT, survey(end), 4);
    return operation;
  }
  return 0;
}

/** Hash of the name of the table that the `length` bytes at INPUT are about; any number for a message of another form. */
export function tableHash(length: usize): i32 {
  return hashOfTable(INPUT + length);
}

/** The same of the table's name and its database's. */
export function nameHash(length: usize): i32 {
  return hashWithDatabase(hashOfTable(INPUT + length), INPUT, INPUT + length);
}

/** What the text of the message is: 0 all of it ASCII, 1 not, 2 there is U+FFFD in it. It may be no UTF-8 at all. */
function survey(end: usize): u32 {
  let all = v128.splat<u8>(0);
  for (let at = INPUT; at < end; at += 16) all = v128.or(all, v128.load(at));
  if (v128.bitmask<u8>(all) === 0) return 0;
  for (let at = INPUT; at < end; at += 16) {
    let found = v128.bitmask<u8>(v128.eq<u8>(v128.load(at), v128.splat<u8>(0xef)));
    for (; found !== 0; found &= found - 1) if (load<u16>(at + ctz(found) + 1) === 0xbdbf) return 2;
  }
  return 1;
}

/** Place after the literal that stands at `at`, or 0. Literals hold no byte 0. */
function after(at: usize, literal: usize): usize {
  return at === 0 ? 0 : afterBytes(at, load<u32>(literal), load<u32>(literal, 4));
}

function afterBytes(at: usize, bytes: usize, length: usize): usize {
  if (length >= 16) {
    const last = length - 16;
    for (let place: usize = 0; place < last; place += 16) if (!isSame(at + place, bytes + place)) return 0;
    return isSame(at + last, bytes + last) ? at + length : 0;
  }
  if (length === 0) return at;
  if (length < 8) return (load<u64>(at) ^ load<u64>(bytes)) << (64 - 8 * length) === 0 ? at + length : 0;
  const last = length - 8;
  const is = load<u64>(at) === load<u64>(bytes) && load<u64>(at + last) === load<u64>(bytes + last);
  return is ? at + length : 0;
}

function isSame(one: usize, other: usize): bool {
  return !v128.any_true(v128.xor(v128.load(one), v128.load(other)));
}

/** Place after the digits that begin at `at`, or 0 when there are none or a zero leads them. */
function afterNumber(at: usize): usize {
  if (at === 0) return 0;
  let end = at;
  while (load<u8>(end) - ZERO < 10) end += 1;
  return end === at || (load<u8>(at) === ZERO && end > at + 1) ? 0 : end;
}

/** Place of the first byte from `start` on that ends a text or is not plain in it: a quote, a backslash, a control character. */
function plainEnd(start: usize): usize {
  let at = start;
  let marks = marksIn(at);
  while (marks === 0) {
    at += 16;
    marks = marksIn(at);
  }
  return at + ctz(marks);
}

/** Place of the quote that ends the text which `at` is in, or 0. What escapes stand for is not looked at. */
function closingQuote(at: usize): usize {
  if (at === 0) return 0;
  let end = plainEnd(at);
  while (load<u8>(end) === BACKSLASH) end = plainEnd(end + 2);
  return load<u8>(end) === QUOTE ? end : 0;
}

/** Place after the array of old rows, or 0: not as many as rows, or one of them has a key column, so the key may have changed. */
function afterOldRows(start: usize, template: usize, rows: i32): usize {
  if (load<u8>(start) !== OPENING_BRACKET) return 0;
  let at = start + 1;
  for (let row: i32 = 0; row < rows; row += 1) {
    if (row > 0) {
      if (load<u8>(at) !== COMMA) return 0;
      at += 1;
    }
    at = afterOldRow(at, template);
    if (at === 0) return 0;
  }
  return load<u8>(at) === CLOSING_BRACKET ? at + 1 : 0;
}

function afterOldRow(start: usize, template: usize): usize {
  if (load<u8>(start) !== OPENING_BRACE) return 0;
  let at = start + 1;
  if (load<u8>(at) === CLOSING_BRACE) return at + 1;
  const keys = columnsEnd(template);
  const keysEnd = keys + LITERAL_BYTES * load<u32>(template, KEY_COUNT);
  let mark = COMMA;
  while (mark === COMMA) {
    if (load<u8>(at) !== QUOTE) return 0;
    for (let key = keys; key < keysEnd; key += LITERAL_BYTES) if (after(at, key) !== 0) return 0;
    // A name with escapes may be a key column's in disguise: it ends at none of these quotes.
    at = plainEnd(at + 1);
    if (load<u16>(at) !== NAME_END) return 0;
    at = afterOldValue(at + 2);
    if (at === 0) return 0;
    mark = load<u8>(at);
    at += 1;
  }
  return mark === CLOSING_BRACE ? at : 0;
}

function afterOldValue(at: usize): usize {
  if (load<u8>(at) !== QUOTE) return load<u32>(at) === NULL ? at + 4 : 0;
  const end = closingQuote(at + 1);
  return end === 0 ? 0 : end + 1;
}

function columnsEnd(template: usize): usize {
  return template + COLUMNS + COLUMN_BYTES * load<u32>(template, COLUMN_COUNT);
}

/** Takes up one row; the place after it, or 0. */
function afterRow(start: usize, template: usize): usize {
  if (load<u8>(start) !== OPENING_BRACE) return 0;
  const keys = word + 12;
  const gaps = keys + KEY_BYTES * load<u32>(template, KEY_COUNT);
  if (gaps > ROWS_END || output + MARGIN > DOCUMENTS_END) return 0;
  const row = word;
  word = gaps;
  store<u32>(row, output);
  store<u8>(output, OPENING_BRACE);
  output += 1;
  let at = start + 1;
  const end = columnsEnd(template);
  for (let column = template + COLUMNS; column < end; column += COLUMN_BYTES) {
    at = after(at, column);
    if (at === 0) return 0;
    at = load<u8>(at) === QUOTE ? afterText(at + 1, column, template, keys) : afterNull(at, column);
    if (at === 0) return 0;
  }
  if (load<u8>(at) !== CLOSING_BRACE) return 0;
  store<u8>(output, CLOSING_BRACE);
  output += 1;
  store<u32>(row, output, 4);
  store<u32>(row, (word - gaps) / GAP_BYTES, 8);
  return at + 1;
}

/** Takes up a NULL; the place after it, or 0. */
function afterNull(at: usize, column: usize): usize {
  if (load<u32>(at) !== NULL || load<i32>(column, KEY_PLACE) >= 0) return 0;
  if (load<i32>(column, FIELD_LENGTH) < 0) return at + 4;
  if (!writeField(column, 0)) return 0;
  store<u32>(output, NULL);
  output += 4;
  return at + 4;
}

/** Takes up the value that begins at `start`; the place after its quote, or 0. */
function afterText(start: usize, column: usize, template: usize, keys: usize): usize {
  let end = plainEnd(start);
  const isPlain = load<u8>(end) === QUOTE;
  if (!isPlain) end = load<u8>(end) === BACKSLASH ? closingQuote(end) : 0;
  if (end === 0) return 0;
  let isCopied = false;
  if (load<i32>(column, FIELD_LENGTH) >= 0) {
    if (!writeField(column, end - start)) return 0;
    const copied = isPlain ? afterCopy(load<i32>(column, KIND), load<u32>(column, SCALE), start, end) : 0;
    isCopied = copied !== 0;
    if (isCopied) output = copied;
    else if (!writeGap((column - template - COLUMNS) / COLUMN_BYTES, start, end, isPlain)) return 0;
  }
  const place = load<i32>(column, KEY_PLACE);
  if (place >= 0) {
    const key = keys + KEY_BYTES * place;
    store<u32>(key, start);
    store<u32>(key, end, 4);
    store<u32>(key, (isPlain ? 1 : 0) | (isCopied ? 2 : 0), 8);
  }
  return end + 1;
}

/** False when there is no room for the name and a value of so many bytes. */
function writeField(column: usize, valueBytes: usize): bool {
  const length = load<u32>(column, FIELD_LENGTH);
  if (output + length + valueBytes + MARGIN > DOCUMENTS_END) return false;
  copy(output, load<u32>(column, FIELD), length);
  output += length;
  return true;
}

/** Leaves a value to its codec. False when there is no room for the words. */
function writeGap(column: usize, start: usize, end: usize, isPlain: bool): bool {
  if (word + GAP_BYTES > ROWS_END) return false;
  store<u32>(word, output);
  store<u32>(word, column, 4);
  store<u32>(word, start, 8);
  store<u32>(word, end, 12);
  store<u32>(word, isPlain ? 1 : 0, 16);
  word += GAP_BYTES;
  return true;
}

/** Writes up to 15 bytes more, which whatever comes next overwrites. */
function copy(to: usize, from: usize, length: usize): void {
  for (let place: usize = 0; place < length; place += 16) v128.store(to + place, v128.load(from + place));
}

/** Writes the JSON of a plain text; the place after it, or 0 when this value takes more than copying: its codec knows. */
function afterCopy(kind: i32, scale: usize, start: usize, end: usize): usize {
  switch (kind) {
    case TEXT:
      return afterQuoted(start, end);
    case INTEGER:
      return isInteger(start, end) ? afterBare(start, end) : 0;
    case DECIMAL:
      return isDecimal(scale, start, end) ? afterBare(start, end) : 0;
    case QUOTED_DECIMAL:
      return isDecimal(scale, start, end) ? afterQuoted(start, end) : 0;
    case DATE:
      return end - start === 10 && isDay(start) ? afterQuoted(start, end) : 0;
    case DATE_TIME:
      return isDateTime(start, end) ? afterDateTime(start, end) : 0;
    default:
      return 0;
  }
}

function afterBare(start: usize, end: usize): usize {
  copy(output, start, end - start);
  return output + end - start;
}

function afterQuoted(start: usize, end: usize): usize {
  store<u8>(output, QUOTE);
  copy(output + 1, start, end - start);
  const closing = output + 1 + end - start;
  store<u8>(closing, QUOTE);
  return closing + 1;
}

/** As UTC. */
function afterDateTime(start: usize, end: usize): usize {
  const closing = afterQuoted(start, end);
  store<u8>(output + 11, LETTER_T);
  store<u8>(closing - 1, LETTER_Z);
  store<u8>(closing, QUOTE);
  return closing + 1;
}

function areDigits(start: usize, end: usize): bool {
  for (let at = start; at < end; at += 16) {
    const values = v128.sub<u8>(v128.load(at), v128.splat<u8>(ZERO));
    let others = v128.bitmask<u8>(v128.gt<u8>(values, v128.splat<u8>(9)));
    if (end - at < 16) others &= (1 << ((end - at) as i32)) - 1;
    if (others !== 0) return false;
  }
  return true;
}

/** An integer without a plus sign or zeros in front. */
function isInteger(start: usize, end: usize): bool {
  const first = load<u8>(start) === MINUS ? start + 1 : start;
  if (first >= end || (load<u8>(first) === ZERO && end > start + 1)) return false;
  return areDigits(first, end);
}

/** A decimal of just this scale (1 or more) without zeros in front. */
function isDecimal(scale: usize, start: usize, end: usize): bool {
  const isNegative = load<u8>(start) === MINUS;
  const first = isNegative ? start + 1 : start;
  if (end < first + scale + 2) return false;
  const point = end - scale - 1;
  if (load<u8>(point) !== POINT) return false;
  // Minus zero loses its sign, which is left to the codec.
  if (load<u8>(first) === ZERO && (isNegative || point > first + 1)) return false;
  return areDigits(first, point) && areDigits(point + 1, end);
}

/** Two digits as a number; above 99 when they are none. */
function two(at: usize): u32 {
  const tens = (load<u8>(at) - ZERO) as u32;
  const ones = (load<u8>(at + 1) - ZERO) as u32;
  return tens > 9 || ones > 9 ? 100 : 10 * tens + ones;
}

/** `yyyy-mm-dd`, not in the year 0. */
function isDay(at: usize): bool {
  if (load<u8>(at + 4) !== MINUS || load<u8>(at + 7) !== MINUS) return false;
  const century = two(at);
  const ofCentury = two(at + 2);
  if (century > 99 || ofCentury > 99 || century + ofCentury === 0) return false;
  const month = two(at + 5);
  const day = two(at + 8);
  return month - 1 < 12 && day - 1 < daysOf(month, century, ofCentury);
}

function daysOf(month: u32, century: u32, ofCentury: u32): u32 {
  if (month !== 2) return 30 + ((month + (month >> 3)) & 1);
  return (ofCentury === 0 ? century : ofCentury) & 3 ? 28 : 29;
}

/** `yyyy-mm-dd hh:mm:ss`, with up to nine digits behind a point. */
function isDateTime(start: usize, end: usize): bool {
  if (end < start + 19 || load<u8>(start + 10) !== SPACE || !isDay(start)) return false;
  const time = start + 11;
  if (load<u8>(time + 2) !== COLON || load<u8>(time + 5) !== COLON) return false;
  if (two(time) > 23 || two(time + 3) > 59 || two(time + 6) > 59) return false;
  const point = start + 19;
  if (end === point) return true;
  return load<u8>(point) === POINT && end > point + 1 && end <= point + 10 && areDigits(point + 1, end);
}
