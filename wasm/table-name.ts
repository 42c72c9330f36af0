/** Where a message of Canal names its table, found without reading the rest of it. */

import { CLOSING_BRACKET, COMMA, QUOTE, ZERO } from './marks';

/** What a message of row changes ends with, `,"type":"INSERT"}` or another word of as many letters. */
const TYPE_BYTES: usize = 17;
/** `","t` and `ts":`, which overlap to `","ts":`, as they lie in memory. */
const BEFORE_TIME: u32 = 0x74222c22;
const BEFORE_TIME_END: u32 = 0x3a227374;
const BEFORE_TIME_BYTES: usize = 7;
/** `],`, `"dat`, `abas` and `e":"`, which stand before the name of the database. */
const DATABASE: u32 = 0x74616422;
const DATABASE_MIDDLE: u32 = 0x73616261;
const DATABASE_END: u32 = 0x223a2265;
const DATABASE_BYTES: usize = 14;

/** More of a name than MySQL's 64 characters take is not looked at. */
const LONGEST: usize = 256;
const HASH_START: i32 = 0x811c9dc5;
const HASH_FACTOR: i32 = 0x01000193;

/** Hash of the table's name in a message that ends at `end`; 0 when it ends in another way. There are readable bytes in front of it. */
export function hashOfTable(end: usize): i32 {
  let at = end - TYPE_BYTES;
  while (load<u8>(at - 1) - ZERO < 10) at -= 1;
  if (load<u32>(at - 4) !== BEFORE_TIME_END || load<u32>(at - BEFORE_TIME_BYTES) !== BEFORE_TIME) return 0;
  at -= BEFORE_TIME_BYTES;
  const first = at - LONGEST;
  let hash = HASH_START;
  for (at -= 1; at >= first && load<u8>(at) !== QUOTE; at -= 1) hash = mixed(hash, at);
  return hash;
}

/** The hash of a table's name mixed with that of its database; as it was when the message names none where Canal does. */
export function hashWithDatabase(hash: i32, start: usize, end: usize): i32 {
  let at = databaseName(start, end);
  if (at === 0) return hash;
  const last = at + LONGEST;
  hash = mixed(hash, at - 1);
  for (; at < last && load<u8>(at) !== QUOTE; at += 1) hash = mixed(hash, at);
  return hash;
}

/** Place of the database's name, or 0. No value holds what stands before it: a quote would end the value. */
function databaseName(start: usize, end: usize): usize {
  for (let at = start; at < end; at += 16) {
    const areBrackets = v128.eq<u8>(v128.load(at), v128.splat<u8>(CLOSING_BRACKET));
    const areBeforeCommas = v128.eq<u8>(v128.load(at + 1), v128.splat<u8>(COMMA));
    let found = v128.bitmask<u8>(v128.and(areBrackets, areBeforeCommas));
    for (; found !== 0; found &= found - 1) {
      const place = at + ctz(found);
      if (isDatabase(place + 2)) return place + DATABASE_BYTES;
    }
  }
  return 0;
}

function isDatabase(at: usize): bool {
  return load<u32>(at) === DATABASE && load<u32>(at, 4) === DATABASE_MIDDLE && load<u32>(at, 8) === DATABASE_END;
}

function mixed(hash: i32, at: usize): i32 {
  return (hash ^ load<u8>(at)) * HASH_FACTOR;
}
