import type { IndexWrite } from '../pipeline/ports.ts';

/**
 * The NDJSON of one bulk request, whose index stands in the path: an action line for each write, and the document's own
 * text for each that has one. Every write carries its version with `external_gte`: repeating it changes nothing, and a
 * late older one is refused.
 *
 * Nothing in a key or document can start a line: keys are written as JSON strings, and a line break in a document's text
 * can only be JSON white space, so a space takes its place.
 */
export function bulkBody(writes: readonly IndexWrite[]): string {
  let body = '';
  for (const { key, version, document } of writes) {
    const rest = `{"_id":${JSON.stringify(key)},"version":${version},"version_type":"external_gte"}}\n`;
    body += document === null ? `{"delete":${rest}` : `{"index":${rest}${oneLine(document)}\n`;
  }
  return body;
}

function oneLine(document: string): string {
  return document.includes('\n') ? document.replaceAll('\n', ' ') : document;
}
