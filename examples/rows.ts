import { documentOf, type JsonDocument, textOf } from '../src/index.ts';

/** Columns of a row by name: strings, numbers, null, and for a number that JavaScript would change, its digits. */
export type Columns = Record<string, unknown>;

interface ExactJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): Columns;
  rawJSON(text: string): unknown;
}

const exactJson = JSON as unknown as ExactJson;

/** Takes a change's document apart. A BIGINT beyond 2^53 is kept as its digits, so it comes out as it went in. */
export function columnsOf(document: JsonDocument): Columns {
  return exactJson.parse(textOf(document), (_, value, { source }) =>
    typeof value === 'number' && String(value) !== source ? exactJson.rawJSON(source ?? String(value)) : value,
  );
}

/** Puts it together again. */
export function documentFrom(columns: Columns): JsonDocument {
  return documentOf(JSON.stringify(columns));
}
