import type { JsonDocument } from '../pipeline/json-document.ts';
import { instanceOf } from '../pipeline/web-assembly.ts';
import type { ByteWriter } from './byte-writer.ts';
import { JSON_STRING_CODE } from './json-string-code.ts';

/** What `wasm/json-string.ts` exports. */
interface Program {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly INPUT: { readonly value: number };
  readonly INPUT_BYTES: { readonly value: number };
  readonly OUTPUT: { readonly value: number };
  quote(length: number): number;
}

const { INPUT, INPUT_BYTES, memory, OUTPUT, quote } = instanceOf<Program>(JSON_STRING_CODE);
const bytes = Buffer.from(memory.buffer);
const input = INPUT.value;
const output = OUTPUT.value;
const maxBytes = INPUT_BYTES.value;

/** Writes a document as a JSON string, as `JSON.stringify` writes its text: in WebAssembly unless it is longer than 64 KiB. */
export function writeJsonString(into: ByteWriter, document: JsonDocument): void {
  const { length } = document;
  if (length > maxBytes) {
    into.binary(JSON.stringify(document)); // what has to be escaped is ASCII, so bytes do as characters
    return;
  }
  bytes.write(document, input, 'latin1');
  into.copy(bytes, output, quote(length));
}
