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

  /** A few characters, all of them ASCII: quicker than `text`. */
  ascii(text: string): void {
    this.reserve(text.length);
    this.putAscii(this.length, text);
  }

  byte(byte: number): void {
    this.reserve(1);
    this.buffer[this.length] = byte;
    this.length += 1;
  }

  /** Puts a few ASCII characters at a place before what was written from there on. */
  insertAscii(place: number, text: string): void {
    this.reserve(text.length);
    this.buffer.copyWithin(place + text.length, place, this.length);
    this.putAscii(place, text);
  }

  /** What was written. Nothing may be written after it. */
  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  private putAscii(place: number, text: string): void {
    for (let at = 0; at < text.length; at += 1) this.buffer[place + at] = text.charCodeAt(at);
    this.length += text.length;
  }

  private reserve(bytes: number): void {
    if (bytes <= this.buffer.length - this.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.buffer.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}
