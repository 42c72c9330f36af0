import type { JsonDocument } from '../pipeline/json-document.ts';

const START_BYTES = 64 * 1024;
/** What a long document made it grow beyond this is given back with the next one. */
const KEPT_BYTES = 1 << 20;

/** Puts documents together, one at a time, of bytes and of pieces of text. */
export class DocumentWriter {
  private buffer = Buffer.allocUnsafeSlow(START_BYTES);
  private length = 0;

  /** Begins a document. */
  begin(): void {
    if (this.buffer.length > KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(START_BYTES);
    this.length = 0;
  }

  /** Finished bytes of the document, from `start` to `end`. */
  bytes(from: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    this.buffer.set(from.subarray(start, end), this.length);
    this.length += end - start;
  }

  text(text: string): void {
    this.reserve(3 * text.length);
    this.length += this.buffer.write(text, this.length);
  }

  end(): JsonDocument {
    return this.buffer.toString('latin1', 0, this.length) as JsonDocument;
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.buffer.length, this.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}
