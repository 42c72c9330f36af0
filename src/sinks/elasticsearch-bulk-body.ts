import type { JsonDocument } from '../pipeline/json-document.ts';
import type { IndexWrite } from '../pipeline/ports.ts';
import { ByteWriter } from './byte-writer.ts';

/** What an action line has around key and version, and a line break. */
const LINE_BYTES = 80;
const LINE_BREAK = 0x0a;

/**
 * The NDJSON of one bulk request, whose index stands in the path: an action line for each write, and the document's own
 * text for each that has one. Every write carries its version with `external_gte`: repeating it changes nothing, and a
 * late older one is refused.
 *
 * Nothing in a key or document can start a line: keys are written as JSON strings, and a line break in a document's text
 * can only be JSON white space, so a space takes its place.
 */
export function bulkBody(writes: readonly IndexWrite[]): Buffer {
  const body = new ByteWriter(sizeHint(writes));
  for (const { key, version, document } of writes) {
    const rest = `{"_id":${JSON.stringify(key)},"version":${version},"version_type":"external_gte"}}\n`;
    if (document === null) body.text(`{"delete":${rest}`);
    else {
      body.text(`{"index":${rest}`);
      body.binary(oneLine(document));
      body.byte(LINE_BREAK);
    }
  }
  return body.bytes();
}

/** Enough where nearly all characters are ASCII. */
function sizeHint(writes: readonly IndexWrite[]): number {
  let chars = 0;
  for (const { key, document } of writes) chars += LINE_BYTES + key.length + (document?.length ?? 0);
  return chars + (chars >> 4);
}

function oneLine(document: JsonDocument): string {
  return document.includes('\n') ? document.replaceAll('\n', ' ') : document;
}
