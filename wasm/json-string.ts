/**
 * Writes a text of UTF-8 as a JSON string, escaping what `JSON.stringify` does, 16 bytes at a time. AssemblyScript;
 * `npm run build:wasm` makes `src/sinks/json-string-code.ts` of it.
 */

import { BACKSLASH, marksIn, QUOTE, SPACE, ZERO } from './marks';

/** Behind the text and behind the string: both are read and written 16 bytes at a time. */
const MARGIN: usize = 64;
/** Of an escaped byte, at most: `\u001f`. */
const MOST_BYTES: usize = 6;

export const INPUT: usize = 1024;
export const INPUT_BYTES: usize = 64 << 10;
export const OUTPUT: usize = INPUT + INPUT_BYTES + MARGIN;

const LETTER_A: u8 = 0x61;

/** Makes a string of the `length` bytes at INPUT; where it ends that begins at OUTPUT. */
export function quote(length: usize): usize {
  const end = INPUT + length;
  store<u8>(OUTPUT, QUOTE);
  let to = OUTPUT + 1;
  for (let block = INPUT; block < end; block += 16) {
    const size = min<usize>(end - block, 16);
    let marks = marksIn(block) & ((1 << (size as i32)) - 1);
    let from: usize = 0;
    for (; marks !== 0; marks &= marks - 1) {
      const at = ctz(marks) as usize;
      v128.store(to, v128.load(block + from));
      to = escaped(load<u8>(block + at), to + at - from);
      from = at + 1;
    }
    v128.store(to, v128.load(block + from));
    to += size - from;
  }
  store<u8>(to, QUOTE);
  return to + 1;
}

/** Writes the escape of a byte; the place behind it. */
function escaped(byte: u8, to: usize): usize {
  const letter: u8 = byte < SPACE ? letterOf(byte) : byte;
  store<u8>(to, BACKSLASH);
  if (letter !== 0) {
    store<u8>(to, letter, 1);
    return to + 2;
  }
  store<u32>(to, 0x30303075, 1); // u000
  store<u8>(to, ZERO + (byte >> 4), 4);
  store<u8>(to, (byte & 15) < 10 ? ZERO + (byte & 15) : LETTER_A + (byte & 15) - 10, 5);
  return to + MOST_BYTES;
}

/** The letter behind the backslash of a control character; 0 when it has none. */
function letterOf(byte: u8): u8 {
  switch (byte) {
    case 8:
      return 0x62;
    case 9:
      return 0x74;
    case 10:
      return 0x6e;
    case 12:
      return 0x66;
    case 13:
      return 0x72;
    default:
      return 0;
  }
}
