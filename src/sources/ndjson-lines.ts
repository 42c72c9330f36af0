/** One line of a file, without its line end. */
export interface NdjsonLine {
  /** From 0; blank lines count. */
  readonly number: number;
  readonly bytes: Buffer;
}

export interface NdjsonOptions {
  /** Longest line. A longer one keeps its first `cutBytes` only. Default 32 MiB. */
  readonly maxBytes?: number;
  /** Default 64 KiB. */
  readonly cutBytes?: number;
}

const LINE_FEED = 0x0a;

/**
 * Splits a byte stream in lines, an array for each chunk, holding no more than a chunk and a line. Only the byte `\n` ends
 * a line: U+2028 and a lone `\r` may stand inside JSON text. Blank lines and a byte order mark are left out.
 */
export async function* ndjsonLines(
  chunks: AsyncIterable<Buffer>,
  { maxBytes = 32 << 20, cutBytes = 64 << 10 }: NdjsonOptions = {},
): AsyncGenerator<readonly NdjsonLine[]> {
  let number = 0;
  let parts: Buffer[] = [];
  let length = 0;
  const hold = (part: Buffer): void => {
    length += part.length;
    if (length <= maxBytes || parts.length === 0) parts.push(part);
    if (length > maxBytes) parts = [Buffer.from(Buffer.concat(parts).subarray(0, cutBytes))]; // a copy, so that chunks are freed
  };
  const finish = (last: Buffer): NdjsonLine | null => {
    hold(last);
    const bytes = withoutMark(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts), number);
    parts = [];
    length = 0;
    number += 1;
    return isBlank(bytes) ? null : { number: number - 1, bytes };
  };
  for await (const chunk of chunks) {
    const lines: NdjsonLine[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const line = finish(chunk.subarray(start, end));
      if (line !== null) lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) hold(chunk.subarray(start));
    if (lines.length > 0) yield lines;
  }
  const last = finish(Buffer.alloc(0));
  if (last !== null) yield [last];
}

function withoutMark(bytes: Buffer, number: number): Buffer {
  const isMarked = number === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return isMarked ? bytes.subarray(3) : bytes;
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
