/** UTF-8 of one UTF-16 unit at most. */
const MOST_BYTES = 3;

/** Writes texts one behind the other as UTF-8, into a buffer that grows. One text of all of them would be flattened, measured and encoded, each in one go. */
export class ByteWriter {
  private buffer: Buffer;
  private length = 0;

  /** `size`: bytes that will probably do. */
  constructor(size: number) {
    this.buffer = Buffer.allocUnsafeSlow(size);
  }

  /** Bytes written so far. */
  get size(): number {
    return this.length;
  }

  text(text: string): void {
    const left = this.buffer.length - this.length;
    // Measured only where the buffer might be too short for it.
    if (MOST_BYTES * text.length > left) this.reserve(Buffer.byteLength(text));
    this.length += this.buffer.write(text, this.length);
  }

  /** A text of which each character is a byte: ASCII, or a document. */
  binary(text: string): void {
    this.reserve(text.length);
    this.length += this.buffer.write(text, this.length, 'latin1');
  }

  /** Bytes of another buffer, from `start` to `end`. */
  copy(from: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    this.length += from.copy(this.buffer, this.length, start, end);
  }

  byte(byte: number): void {
    this.reserve(1);
    this.buffer[this.length] = byte;
    this.length += 1;
  }

  /** Puts such a text in the place of the bytes from `from` to `to`, which were written before. */
  replace(from: number, to: number, text: string): void {
    const growth = text.length - (to - from);
    if (growth !== 0) {
      this.reserve(growth);
      this.buffer.copyWithin(to + growth, to, this.length);
      this.length += growth;
    }
    this.buffer.write(text, from, 'latin1');
  }

  /** What was written. Nothing may be written after it. */
  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  private reserve(bytes: number): void {
    if (bytes <= this.buffer.length - this.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.buffer.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}
