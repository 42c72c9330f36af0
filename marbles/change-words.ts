import type { Change, Table } from '../src/pipeline/change.ts';
import { documentOf } from '../src/pipeline/json-document.ts';

const tables = new Map<string, Table>();

/** The table a word names before its dot, `rows` without one. One object per name, as in a process. */
export function tableNamed(name = 'rows'): Table {
  let table = tables.get(name);
  if (table === undefined) {
    table = { database: 'shop', name, qualified: `shop.${name}`, index: name, mapping: null };
    tables.set(name, table);
  }
  return table;
}

/**
 * The change a word stands for: `a7` puts key `a` at version 7, `-a7` deletes it, `logs.a7` is a row of another table.
 * Versions are those of epoch 0, so `a7` is at offset 6.
 */
export function changeOf(word: string): Change {
  const [, minus, tableName, key, digits] = /^(-?)(?:([a-z]+)\.)?([a-z]+)(\d+)$/.exec(word) ?? [];
  if (key === undefined) throw new Error(`not a change: ${word}`);
  const isDelete = minus === '-';
  return {
    table: tableNamed(tableName),
    key,
    op: isDelete ? 'delete' : 'upsert',
    operation: isDelete ? 'DELETE' : 'UPDATE',
    document: documentOf(`{"version":${digits}}`),
    version: Number(digits),
    offset: Number(digits) - 1,
    ordinal: 0,
    timestampMs: 1000 + Number(digits),
  };
}

/** The changes of a list of words: `a1 b2 -a3`. */
export function changesOf(words: string): Change[] {
  return words.split(' ').filter(Boolean).map(changeOf);
}

/** A change, or what holds one, as the word it was made from. */
export function wordOf(held: Change | { readonly change: Change }): string {
  const { key, op, table, version } = 'change' in held ? held.change : held;
  return `${op === 'delete' ? '-' : ''}${table.name === 'rows' ? '' : `${table.name}.`}${key}${version}`;
}

/** Changes, or what holds them, as a list of words in their order. */
export function wordsOf(held: readonly (Change | { readonly change: Change })[]): string {
  return held.map(wordOf).join(' ');
}
