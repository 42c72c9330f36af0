export const SPACE: u8 = 0x20;
export const QUOTE: u8 = 0x22;
export const COMMA: u8 = 0x2c;
export const ZERO: u8 = 0x30;
export const BACKSLASH: u8 = 0x5c;
export const CLOSING_BRACKET: u8 = 0x5d;

/** A bit for each of the 16 bytes at `at` that is not plain in a JSON string: a quote, a backslash, a control character. */
export function marksIn(at: usize): i32 {
  const bytes = v128.load(at);
  const areQuotes = v128.eq<u8>(bytes, v128.splat<u8>(QUOTE));
  const areBackslashes = v128.eq<u8>(bytes, v128.splat<u8>(BACKSLASH));
  const areControls = v128.lt<u8>(bytes, v128.splat<u8>(SPACE));
  return v128.bitmask<u8>(v128.or(v128.or(areQuotes, areBackslashes), areControls));
}
