import { isUtf8 } from 'node:buffer';
import type { Change } from '../pipeline/change.ts';
import type { JsonDocument } from '../pipeline/json-document.ts';
import { instanceOf } from '../pipeline/web-assembly.ts';
import { CANAL_SCANNER_CODE } from './canal-scanner-code.ts';
import type { PlainCopy } from './column-codec.ts';

/** What all messages of one template have in common, as texts of JSON. */
export interface ScannedParts {
  readonly columns: readonly ScannedColumn[];
  /** `"name":` of each key column. */
  readonly keyLabels: readonly string[];
  readonly head: string;
  readonly afterData: string;
  readonly beforeGtid: string;
  readonly beforeId: string;
  readonly beforeOld: string;
  readonly afterOld: string;
  /** For an INSERT, an UPDATE and a DELETE. */
  readonly ends: readonly string[];
}

export interface ScannedColumn {
  /** `"id":` and then `,"name":` as in the message. */
  readonly label: string;
  /** `"id":` and then `,"name":` as in the document; null for a column that stays out of it. */
  readonly prefix: string | null;
  readonly copy: PlainCopy | null;
  /** Place in the key, or -1. */
  readonly keyPlace: number;
}

/** What `wasm/canal-scanner.ts` exports. */
interface ScannerExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly RESULT: { readonly value: number };
  readonly INPUT: { readonly value: number };
  readonly INPUT_BYTES: { readonly value: number };
  readonly ROWS: { readonly value: number };
  readonly TEMPLATES: { readonly value: number };
  readonly TEMPLATES_END: { readonly value: number };
  scan(template: number, length: number, maxRows: number): number;
  tableHash(length: number): number;
  nameHash(length: number): number;
}

/** What `toString` of a buffer calls once it has looked at its arguments. Not in the types of Node. */
interface Sliceable {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

const OPERATIONS: readonly (Change['operation'] | null)[] = [null, 'INSERT', 'UPDATE', 'DELETE'];
const KINDS: Readonly<Record<PlainCopy['kind'], number>> = {
  text: 1,
  integer: 2,
  decimal: 3,
  'quoted-decimal': 4,
  date: 5,
  'date-time': 6,
};
const COLUMNS = 80;
const COLUMN_BYTES = 28;
const LITERAL_BYTES = 8;
/** Literals are compared 16 bytes at a time. */
const LITERAL_MARGIN = 16;
const WORD = Int32Array.BYTES_PER_ELEMENT;

/**
 * Reads messages by template (`wasm/canal-scanner.ts`): one message at a time, from memory of its own, which also holds the
 * templates. About 9 MiB, as far as they are needed.
 */
export class CanalScanner {
  /** The memory, byte by byte and in words. */
  readonly bytes: Buffer & Sliceable;
  readonly words: Int32Array;
  /** Longer messages cannot be read. */
  readonly maxBytes: number;
  /** Where in `words` the first row of a message begins. */
  readonly firstRow: number;
  /** How often all templates were forgotten: an address is good for one generation. */
  generation = 0;
  private readonly code: ScannerExports;
  private readonly input: number;
  private readonly result: number;
  private readonly templatesEnd: number;
  private free: number;
  private length = 0;

  /** `templateBytes`: room for templates; all that there is, nearly 4 MiB, by default. */
  constructor(templateBytes = Number.POSITIVE_INFINITY) {
    this.code = instanceOf<ScannerExports>(CANAL_SCANNER_CODE);
    const { INPUT, INPUT_BYTES, memory, RESULT, ROWS, TEMPLATES, TEMPLATES_END } = this.code;
    this.bytes = Buffer.from(memory.buffer) as Buffer as Buffer & Sliceable;
    this.words = new Int32Array(memory.buffer);
    this.maxBytes = INPUT_BYTES.value;
    this.firstRow = ROWS.value / WORD;
    this.input = INPUT.value;
    this.result = RESULT.value / WORD;
    this.free = TEMPLATES.value;
    this.templatesEnd = Math.min(TEMPLATES_END.value, TEMPLATES.value + templateBytes);
  }

  /** The address of a template. When there is no room left all others are forgotten; null when it takes more than there is. */
  add(parts: ScannedParts): number | null {
    const address = this.addIfRoom(parts);
    if (address !== null || this.free === this.code.TEMPLATES.value) return address;
    this.generation += 1;
    this.free = this.code.TEMPLATES.value;
    return this.addIfRoom(parts);
  }

  /** Takes a message of at most `maxBytes`, which is read by one template after the other. */
  load(value: Buffer): void {
    this.bytes.set(value, this.input);
    this.length = value.length;
  }

  /** Reads the message by a template: what was done to its rows, which are in `words` from `firstRow` on; null when it is not like it. */
  scan(template: number, maxRows: number): Change['operation'] | null {
    return OPERATIONS[this.code.scan(template, this.length, maxRows)] ?? null;
  }

  /** A number for the name of the message's table: two messages with different ones are about tables of different names. */
  get tableHash(): number {
    return this.code.tableHash(this.length);
  }

  /** The same for its name and its database's. */
  get nameHash(): number {
    return this.code.nameHash(this.length);
  }

  /** How many rows the message has that was read last. */
  get rows(): number {
    return this.words[this.result] as number;
  }

  get isAscii(): boolean {
    return this.words[this.result + 1] === 0;
  }

  /**
   * True when the message that was read last, which is `value`, is UTF-8 and holds no U+FFFD: what Canal makes of text that is
   * not UTF-8 in the binlog.
   */
  isSound(value: Buffer): boolean {
    const text = this.words[this.result + 1];
    return text === 0 || (text === 1 && isUtf8(value));
  }

  /** Bytes of the memory as a document. */
  document(start: number, end: number): JsonDocument {
    return this.bytes.latin1Slice(start, end) as JsonDocument;
  }

  /** Bytes of the memory as text. */
  text(start: number, end: number): string {
    return this.isAscii ? this.bytes.latin1Slice(start, end) : this.bytes.utf8Slice(start, end);
  }

  /** Bytes of the memory that are known to be ASCII as text. */
  asciiText(start: number, end: number): string {
    return this.bytes.latin1Slice(start, end);
  }

  private addIfRoom(parts: ScannedParts): number | null {
    const { afterData, afterOld, beforeGtid, beforeId, beforeOld, columns, ends, head, keyLabels } = parts;
    const address = this.free;
    const constants = [head, afterData, beforeGtid, beforeId, beforeOld, afterOld, ...ends];
    const words: number[] = [columns.length, keyLabels.length];
    let end = address + COLUMNS + COLUMN_BYTES * columns.length + LITERAL_BYTES * keyLabels.length;
    const literal = (text: string): void => {
      const length = Buffer.byteLength(text);
      words.push(end, length);
      if (end + length <= this.templatesEnd) this.bytes.write(text, end);
      end += length + LITERAL_MARGIN;
    };
    for (const text of constants) literal(text);
    for (const { copy, keyPlace, label, prefix } of columns) {
      literal(label);
      if (prefix === null) words.push(0, -1);
      else literal(prefix);
      words.push(copy === null ? 0 : KINDS[copy.kind], copy?.scale ?? 0, keyPlace);
    }
    for (const text of keyLabels) literal(text);
    if (end > this.templatesEnd) return null;
    this.words.set(words, address / WORD);
    this.free = WORD * Math.ceil(end / WORD);
    return address;
  }
}

let shared: CanalScanner | null = null;

/** The one of this thread: what it holds of a message is read before anybody else has a turn. */
export function sharedScanner(): CanalScanner {
  shared ??= new CanalScanner();
  return shared;
}
