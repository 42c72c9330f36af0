import { DocumentValue, type SqlValue } from './store-sql.ts';

// Types of the protocol's binary values.
const DOUBLE = 0x05;
const NULL = 0x06;
const LONGLONG = 0x08;
const VAR_STRING = 0xfd;

const TYPE_BYTES = 2;
const NUMBER_BYTES = 8;
const TWO_32 = 2 ** 32;
/** UTF-8 of one UTF-16 unit at most. */
const MOST_BYTES = 3;
/** What a value takes beside its characters, more or less. */
const USUAL_EXTRA_BYTES = 8;

/**
 * The values of a COM_STMT_EXECUTE, behind `headBytes` that are left empty: bitmap of NULLs, a mark that types follow,
 * types, values. Whole numbers are sent as such, others as doubles, texts as UTF-8.
 */
export function parameterBytes(values: readonly SqlValue[], headBytes: number): Buffer {
  const mark = headBytes + ((values.length + 7) >> 3);
  let type = mark + 1;
  let at = type + TYPE_BYTES * values.length;
  let to: Buffer = Buffer.allocUnsafeSlow(at + likelyBytes(values));
  to.fill(0, 0, at);
  to[mark] = 1;
  for (let index = 0; index < values.length; index += 1, type += TYPE_BYTES) {
    const value = values[index] as SqlValue;
    if (value === null) {
      to[type] = NULL;
      to[headBytes + (index >> 3)] = (to[headBytes + (index >> 3)] as number) | (1 << (index & 7));
      continue;
    }
    to = withRoom(to, at, value);
    if (value instanceof DocumentValue) {
      to[type] = VAR_STRING;
      at = afterDocument(to, at, value);
    } else if (typeof value === 'string') {
      to[type] = VAR_STRING;
      at = afterText(to, at, value);
    } else if (Number.isSafeInteger(value)) {
      to[type] = LONGLONG;
      to.writeUInt32LE(value >>> 0, at);
      to.writeInt32LE(Math.floor(value / TWO_32), at + 4);
      at += NUMBER_BYTES;
    } else {
      to[type] = DOUBLE;
      at = to.writeDoubleLE(value, at);
    }
  }
  return to.subarray(0, at);
}

function likelyBytes(values: readonly SqlValue[]): number {
  let bytes = 0;
  for (const value of values) {
    bytes += USUAL_EXTRA_BYTES;
    if (typeof value === 'string') bytes += value.length;
    else if (value instanceof DocumentValue) bytes += value.document.length;
  }
  return bytes;
}

/** The buffer, or its beginning in a larger one, with room for a value. Texts are measured only where they might not fit. */
function withRoom(to: Buffer, at: number, value: string | number | DocumentValue): Buffer {
  const left = to.length - at;
  if (typeof value === 'number') return left >= NUMBER_BYTES ? to : enlarged(to, at, NUMBER_BYTES);
  if (value instanceof DocumentValue) {
    const { length } = value.document;
    const needed = lengthBytes(length) + length;
    return left >= needed ? to : enlarged(to, at, needed);
  }
  const most = MOST_BYTES * value.length;
  if (left >= lengthBytes(most) + most) return to;
  const bytes = Buffer.byteLength(value);
  const needed = lengthBytes(bytes) + bytes;
  return left >= needed ? to : enlarged(to, at, needed);
}

function enlarged(to: Buffer, at: number, bytes: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * to.length, at + bytes));
  to.copy(larger, 0, 0, at);
  return larger;
}

/** Writes a document and its length in front of it; the place behind it. */
function afterDocument(to: Buffer, start: number, { document }: DocumentValue): number {
  const { length } = document;
  const first = start + lengthBytes(length);
  writeLength(to, start, length);
  return first + to.write(document, first, 'latin1');
}

/** Writes a text and its length in front of it; the place behind it. */
function afterText(to: Buffer, start: number, text: string): number {
  const { length } = text;
  // A text has as many bytes as UTF-16 units at least, and three times as many at most.
  const most = lengthBytes(MOST_BYTES * length);
  const width = lengthBytes(length) === most ? most : lengthBytes(Buffer.byteLength(text));
  const bytes = to.write(text, start + width);
  writeLength(to, start, bytes);
  return start + width + bytes;
}

/** Bytes that the protocol takes for a length. */
function lengthBytes(length: number): 1 | 3 | 4 | 9 {
  return length < 0xfb ? 1 : length < 2 ** 16 ? 3 : length < 2 ** 24 ? 4 : 9;
}

function writeLength(to: Buffer, at: number, length: number): void {
  switch (lengthBytes(length)) {
    case 1:
      to[at] = length;
      return;
    case 3:
      to[at] = 0xfc;
      to.writeUInt16LE(length, at + 1);
      return;
    case 4:
      to[at] = 0xfd;
      to.writeUIntLE(length, at + 1, 3);
      return;
    case 9:
      to[at] = 0xfe;
      to.writeUIntLE(length, at + 1, 6);
      to.writeUInt16LE(0, at + 7);
  }
}
