import type { RecordBatch, Rejection } from '../src/pipeline/change.ts';
import type { ParsedBatch, RecordFormat } from '../src/pipeline/ports.ts';
import { changeOf, tableNamed } from './change-words.ts';

/**
 * Reads records whose values are words: a change, `~7` for a record that asks nothing of the index, `?7` for one that
 * cannot be read, `!a7` and `!logs.a7` for a row that is understood and cannot be applied.
 */
export const wordFormat: RecordFormat = { parse: parseWords };

function parseWords(batch: RecordBatch): ParsedBatch {
  const words = batch.records.map(({ value }) => value?.toString() ?? '');
  const skipped = words.filter((word) => word.startsWith('~')).length;
  return {
    changes: words.filter((word) => /^-?[a-z]/.test(word)).map(changeOf),
    rejected: words.filter((word) => /^[?!]/.test(word)).map((word) => rejectionOf(word, batch)),
    skipped: new Map(skipped === 0 ? [] : [['query-text', skipped]]),
    notices: [],
  };
}

function rejectionOf(word: string, { topic, partition }: RecordBatch): Rejection {
  const version = Number(/\d+$/.exec(word)?.[0]);
  const place = { topic, partition, offset: version - 1, version, detail: '', body: word };
  const [, tableName, key] = /^!(?:([a-z]+)\.)?([a-z]+)/.exec(word) ?? [];
  if (key === undefined) return { ...place, reason: 'not-json', table: null, key: null, op: null };
  return { ...place, reason: 'value-unreadable', table: tableNamed(tableName), key, op: 'upsert' };
}

/** Letters in the words they were made from. */
export function letterWords(letters: readonly Rejection[]): string {
  return letters.map(({ body }) => body).join(' ');
}
