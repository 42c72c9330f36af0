import { readFileSync } from 'node:fs';

/**
 * The documents that a replay of demo/canal-shop.ndjson must end with, made from the server's own final state
 * (demo/final-state.json) without the code under test, and the places where no replay can reach it, one by one.
 */

/** A document with exact numbers: each number token is the text `#` and its digits, floats in their shortest form. */
export type Document = Readonly<Record<string, unknown>>;
export type Documents = ReadonlyMap<string, ReadonlyMap<string, Document>>;

export interface Difference {
  readonly index: string;
  readonly id: string;
  /** `missing`: expected and not there. `extra`: there and not expected. `columns`: these differ. */
  readonly kind: 'missing' | 'extra' | 'columns';
  readonly columns: readonly string[];
}

interface FinalTable {
  readonly primaryKey: readonly string[];
  readonly columns: readonly { readonly name: string; readonly type: string; readonly form: string }[];
  readonly rows: readonly (readonly (string | null)[])[];
}

const finalState: Readonly<Record<string, FinalTable>> = JSON.parse(
  readFileSync(new URL('../../demo/final-state.json', import.meta.url), 'utf8'),
);

/** MariaDB keeps JSON in longtext; Canal saw `json` in the CREATE TABLE. */
const JSON_COLUMNS = new Set(['shop.customers.prefs', 'shop.all_types.c_json']);

/** Where a replay under the default policies differs from the final state, and why it cannot be otherwise. */
export const EXCEPTIONS: readonly (Difference & { readonly why: string })[] = [
  ...differ('shop_fk_child', 'extra', ['11', '12'], 'removed by a cascade, of which no event is written'),
  ...differ('shop_fk_child', 'columns', ['21'], 'changed by a cascade, of which no event is written', ['parent_id']),
  ...differ('shop_kv', 'extra', ['xa-rolled-back:x'], 'rolled back after its row was delivered at XA PREPARE'),
  ...differ('shop_orders', 'columns', ['2001'], 'an UPDATE with a NOBLOB image, a letter', ['status']),
  ...differ('shop_cs', 'columns', ['1'], 'text that is not UTF-8 in the binlog: damaged by Canal', [
    'l1',
    'g',
    'u2',
    't1',
  ]),
  ...differ('shop_cs', 'columns', ['2'], 'text that is not UTF-8 in the binlog: damaged by Canal', ['u2']),
  ...differ('shop_maria_types', 'columns', ['1'], 'UUID and INET are bytes that Canal decodes as text', [
    'u',
    'i4',
    'i6',
  ]),
  ...differ(
    'shop_products',
    'columns',
    ['100:Two-key%20row'],
    'older than column w, which was added without a default',
    ['w'],
  ),
  ...differ(
    'shop_products',
    'missing',
    ['1:Lamp', '2:Desk', '3:Chair', '4:Shelf'],
    'not written since the key became (id, title)',
  ),
  ...differ('shop_products', 'extra', ['1', '2', '3', '4'], 'ids of the former key'),
  ...differ('shop_products_bak', 'extra', ['1', '2', '3', '4', '100'].map(withTitle), 'renamed away, policy alarm'),
  ...differ('shop_products_old', 'extra', ['1:Lamp'], 'renamed away, policy alarm'),
  ...differ('shop_products_older', 'extra', ['7:after%20rename'], 'dropped, policy alarm'),
  ...differ('shop_ci', 'extra', ['ABC', 'DEF'], 'rows of the table that is ci_gone since the swap, policy alarm'),
  ...differ('shop_ci', 'missing', ['new1'], 'came with the swap of ci_new, policy alarm'),
  ...differ('shop_ci_new', 'extra', ['new1'], 'renamed to ci, policy alarm'),
  ...differ('shop_ci_gone', 'missing', ['ABC', 'DEF'], 'came with the swap of ci, policy alarm'),
  ...differ('shop_t1', 'extra', ['1'], 'dropped, policy alarm'),
  ...differ('shop_t2', 'extra', ['1'], 'dropped, policy alarm'),
  ...differ('shop_archive_orders', 'extra', ['2003'], 'its database was dropped, policy alarm'),
];

/** Tables without a primary key: every row of them is a letter, none a document. */
export const KEYLESS_TABLES = Object.keys(finalState).filter((name) => finalState[name]?.primaryKey.length === 0);

/** Documents by index and id, as a replay would leave them if the log held every change. */
export function expectedDocuments(): Documents {
  const indexes = new Map<string, Map<string, Document>>();
  for (const [qualified, table] of Object.entries(finalState)) {
    if (table.primaryKey.length === 0) continue;
    const documents = new Map<string, Document>();
    for (const row of table.rows) documents.set(idOf(table, row), documentOf(qualified, table, row));
    indexes.set(qualified.replace('.', '_').toLowerCase(), documents);
  }
  return indexes;
}

/** Parses JSON text into comparable form: numbers become `#` and their digits, so nothing is rounded. */
export function comparable(text: string): unknown {
  const parse = JSON.parse as (
    text: string,
    revive: (...args: [string, unknown, { source: string }]) => unknown,
  ) => unknown;
  return parse(text, (_, value, { source }) => (typeof value === 'number' ? numberMark(source) : value));
}

/** Differences between documents and the final state that no exception names, and exceptions that did not occur. */
export function unexplained(actual: Documents, exceptions: readonly Difference[] = EXCEPTIONS): string[] {
  const seen = differences(expectedDocuments(), actual).map(lineOf);
  const named = exceptions.map(lineOf);
  return [
    ...seen.filter((line) => !named.includes(line)).map((line) => `not named: ${line}`),
    ...named.filter((line) => !seen.includes(line)).map((line) => `did not occur: ${line}`),
  ];
}

function differences(expected: Documents, actual: Documents): Difference[] {
  const found: Difference[] = [];
  for (const index of new Set([...expected.keys(), ...actual.keys()])) {
    const wanted = expected.get(index) ?? new Map<string, Document>();
    const held = actual.get(index) ?? new Map<string, Document>();
    for (const id of new Set([...wanted.keys(), ...held.keys()])) {
      const before = wanted.get(id);
      const after = held.get(id);
      const columns = before && after ? differing(index, before, after) : [];
      const kind = before === undefined ? 'extra' : after === undefined ? 'missing' : 'columns';
      if (kind !== 'columns' || columns.length > 0) found.push({ index, id, kind, columns });
    }
  }
  return found;
}

function differing(index: string, left: Document, right: Document): string[] {
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return names.filter((name) => {
    const isFloat = index === 'shop_all_types' && name.startsWith('c_float');
    const [before, after] = [left[name], right[name]].map((value) =>
      JSON.stringify(isFloat ? sixDigits(value) : value),
    );
    return before !== after;
  });
}

/** MariaDB prints a FLOAT with six digits, Java with as many as tell it from its neighbours. */
function sixDigits(value: unknown): unknown {
  return typeof value === 'string' ? Number(value.slice(1)).toPrecision(6) : value;
}

function differ(
  index: string,
  kind: Difference['kind'],
  ids: readonly string[],
  why: string,
  columns: readonly string[] = [],
): (Difference & { why: string })[] {
  return ids.map((id) => ({ index, id, kind, columns, why }));
}

function withTitle(id: string): string {
  return `${id}:${{ 1: 'Lamp', 2: 'Desk', 3: 'Chair', 4: 'Shelf', 100: 'Two-key%20row' }[id]}`;
}

function lineOf({ index, id, kind, columns }: Difference): string {
  return `${index} ${id} ${kind} ${columns.join(',')}`.trim();
}

/** An id by the documented rules, for the keys of the capture: escape, join with a colon, hash above 512 bytes. */
function idOf(table: FinalTable, row: readonly (string | null)[]): string {
  const places = table.columns.flatMap(({ name }, place) => (table.primaryKey.includes(name) ? [place] : []));
  return places
    .map((place) => {
      const { form, type } = table.columns[place] as FinalTable['columns'][number];
      const text = row[place] as string;
      if (form === 'hex') return text.toLowerCase() || '%_';
      if (/^(int|bigint)/.test(type)) return BigInt(text).toString();
      if (/^(decimal|datetime)/.test(type)) return escaped(text.replace(/\.?0+$/, ''));
      return text === '' ? '%_' : escaped(text);
    })
    .join(':');
}

function escaped(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9\-._~@\u00a0-\u{10ffff}]|[\u2028\u2029\ufeff]/gu, (character) => {
    const code = character.charCodeAt(0);
    const hex = code.toString(16).toUpperCase();
    return code < 128 ? `%${hex.padStart(2, '0')}` : `%u${hex.padStart(4, '0')}`;
  });
}

function documentOf(qualified: string, table: FinalTable, row: readonly (string | null)[]): Document {
  const fields = table.columns.map(({ name, type, form }, place) => {
    const text = row[place] ?? null;
    if (text === null) return [name, null];
    if (JSON_COLUMNS.has(`${qualified}.${name}`)) return [name, comparable(text)];
    return [name, cellOf(type, form, text)];
  });
  return Object.fromEntries(fields);
}

function cellOf(type: string, form: string, text: string): unknown {
  if (form === 'hex') return Buffer.from(text, 'hex').toString('base64');
  if (type === 'bit(1)') return text === '1';
  if (/^(tinyint|smallint|mediumint|int|bigint|bit|year)/.test(type)) return `#${BigInt(text)}`;
  if (/^(float|double)/.test(type)) return numberMark(text);
  if (type.startsWith('set')) return text === '' ? [] : text.split(',');
  if (/^(date|timestamp)/.test(type)) {
    if (/^0000|-00/.test(text.slice(0, 10))) return null;
    return type === 'date' ? text : `${text.replace(' ', 'T')}Z`;
  }
  return text;
}

function numberMark(source: string): string {
  return `#${/[.eE]/.test(source) ? Number(source) : source}`;
}
