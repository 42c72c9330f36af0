import { readFileSync } from 'node:fs';
import { canalJson } from '../../src/formats/canal-json.ts';
import type { Change } from '../../src/pipeline/change.ts';
import { textOf } from '../../src/pipeline/json-document.ts';
import type { ParsedBatch, RecordFormat } from '../../src/pipeline/ports.ts';
import { Ticket } from '../../src/pipeline/position.ts';
import { tables } from '../../src/pipeline/tables.ts';
import { comparable, type Document, type Documents } from './final-state.ts';

export interface CapturedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly timestamp: string;
  readonly value: string;
}

/** Records of a file in demo/. */
export function captured(file: string): CapturedRecord[] {
  const text = readFileSync(new URL(`../../demo/${file}`, import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** Parses one value as the only record of a batch. */
export function parseValue(
  format: RecordFormat,
  value: string | Buffer | null,
  place: { topic?: string; partition?: number; offset?: number; timestampMs?: number; epoch?: number } = {},
): ParsedBatch {
  const { epoch = 0, offset = 0, partition = 0, timestampMs = 0, topic = 'shop' } = place;
  const ticket = new Ticket({ log: null, topic, partition, firstOffset: offset, nextOffset: offset + 1, anchor: null });
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return format.parse({ topic, partition, epoch, ticket, records: [{ offset, timestampMs, key: null, value: bytes }] });
}

/** The documents of changes as text. */
export function textsOf(changes: readonly Change[]): string[] {
  return changes.map(({ document }) => textOf(document));
}

/** Applies a capture to a map, one partition after the other as a consumer may, and keeps what was rejected. */
export function replay(file: string, partitions: number): { documents: Documents; parsed: ParsedBatch[] } {
  const format = canalJson({ tables: tables(), partitionCount: () => partitions });
  const documents = new Map<string, Map<string, Document>>();
  const parsed = captured(file).map(({ partition, offset, timestamp, topic, value }) => {
    const batch = parseValue(format, value, {
      topic,
      partition,
      offset: Number(offset),
      timestampMs: Number(timestamp),
    });
    for (const { table, key, op, document } of batch.changes) {
      const index = documents.get(table.index) ?? new Map<string, Document>();
      documents.set(table.index, index);
      if (op === 'delete') index.delete(key);
      else index.set(key, comparable(textOf(document)) as Document);
    }
    return batch;
  });
  return { documents, parsed };
}
