import { COPY_MARGIN, type PlainCopy } from './plain-copies.ts';

const START_BYTES = 64 * 1024;
/** What a long document made it grow beyond this is given back with the next one. */
const KEPT_BYTES = 1 << 20;

/** Writes documents, one at a time, as bytes: no text is made of any piece of them. */
export class DocumentWriter {
  private bytes = Buffer.allocUnsafeSlow(START_BYTES);
  private length = 0;
  private isAscii = true;

  /** Begins a document. `isAscii`: all that will be copied into it is. */
  begin(isAscii: boolean): void {
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(START_BYTES);
    this.length = 0;
    this.isAscii = isAscii;
  }

  byte(byte: number): void {
    this.reserve(1);
    this.bytes[this.length] = byte;
    this.length += 1;
  }

  literal(bytes: Buffer): void {
    this.reserve(bytes.length);
    for (let at = 0; at < bytes.length; at += 1) this.bytes[this.length + at] = bytes[at] as number;
    this.length += bytes.length;
  }

  /** A value of the source. False, and nothing written, when `copy` does not take it. */
  copy(copy: PlainCopy, from: Buffer, start: number, end: number): boolean {
    this.reserve(end - start + COPY_MARGIN);
    const after = copy(from, start, end, this.bytes, this.length);
    if (after < 0) return false;
    this.length = after;
    return true;
  }

  text(text: string): void {
    this.reserve(3 * text.length);
    const written = this.bytes.write(text, this.length);
    if (written !== text.length) this.isAscii = false;
    this.length += written;
  }

  /** The document as one flat string. */
  end(): string {
    return this.bytes.toString(this.isAscii ? 'latin1' : 'utf8', 0, this.length);
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, this.length + bytes));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}
