import type { Load, LoadShape, LoadSummary } from '../load.ts';

/** A row of a load, ready to be produced. */
export interface LoadRow {
  readonly key: number;
  readonly partition: number;
  readonly offset: number;
  readonly value: Buffer;
}

/** The shape of a load whose rows can be had one by one. */
export function uniqueRows(name: string, rows: number, partitions: number): LoadShape {
  return { name, rows, keys: rows, skew: 0, rowsPerMessage: 1, partitions, seed: 1 };
}

/**
 * The rows of a load in the order in which they were changed. Only of unique keys with one row a record: there a row, a
 * record and a document are one.
 */
export function loadRows({ partitions, summary }: Load): readonly LoadRow[] {
  const { last, shape } = summary;
  if (last.size !== shape.rows || summary.records !== shape.rows)
    throw new Error(`${shape.name} repeats keys or packs rows`);
  return [...last].map(([key, { offset, partition }]) => {
    return { key, partition, offset, value: partitions[partition]?.[offset] as Buffer };
  });
}

/** What is known of rows `from` to `to` of a load, for who has seen no others. `ends` are those of the log after them. */
export function summaryOfRows({ last, shape }: LoadSummary, from: number, to: number): LoadSummary {
  const ends = Array.from({ length: shape.partitions }, () => 0);
  const part = new Map([...last].slice(from, to));
  let versionSum = 0;
  for (const { offset } of part.values()) versionSum += offset + 1;
  for (const [at, [, { offset, partition }]] of [...last].entries()) if (at < to) ends[partition] = offset + 1;
  return { shape: { ...shape, rows: part.size }, ends, records: part.size, bytes: Number.NaN, versionSum, last: part };
}
