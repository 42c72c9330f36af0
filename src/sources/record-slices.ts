import { hash } from 'node:crypto';
import type { LogRecord } from '../pipeline/change.ts';
import type { Anchor } from '../pipeline/position.ts';

/** A run of records of one partition that becomes one batch. */
export interface RecordSlice {
  readonly firstOffset: number;
  /** Where reading goes on after it. */
  readonly nextOffset: number;
  readonly epoch: number;
  readonly records: readonly LogRecord[];
}

export interface SliceOptions {
  /** Records of a slice at most. Default 500. */
  readonly maxRecords?: number;
  /** Bytes of values of a slice at most, but for a single larger record. Default 1 MiB. */
  readonly maxBytes?: number;
  /** Epoch of an offset; it never falls as offsets rise. */
  readonly epochAt: (offset: number) => number;
}

/**
 * Cuts records in slices, lazily: a batch is taken whole by a stage and must not be large, nor cross an epoch. The last
 * slice reaches to `nextOffset`, past filtered and control records; without records there is one empty slice.
 */
export function* recordSlices(
  records: readonly LogRecord[],
  range: { readonly firstOffset: number; readonly nextOffset: number },
  { maxRecords = 500, maxBytes = 1 << 20, epochAt }: SliceOptions,
): Generator<RecordSlice> {
  let start = 0;
  let firstOffset = range.firstOffset;
  do {
    const epoch = epochAt(records[start]?.offset ?? firstOffset);
    let bytes = 0;
    let end = start;
    for (; end < records.length && end - start < maxRecords; end += 1) {
      const { offset, value } = records[end] as LogRecord;
      bytes += value?.length ?? 0;
      if (end > start && (bytes > maxBytes || epochAt(offset) !== epoch)) break;
    }
    const nextOffset = records[end]?.offset ?? range.nextOffset;
    yield { firstOffset, nextOffset, epoch, records: records.slice(start, end) };
    start = end;
    firstOffset = nextOffset;
  } while (start < records.length);
}

/** What is remembered of the last record of a slice; null when it has none. */
export function anchorOf(records: readonly LogRecord[]): Anchor | null {
  const last = records.at(-1);
  if (last === undefined) return null;
  return { offset: last.offset, timestampMs: last.timestampMs, hash: hash('md5', last.value ?? '', 'hex') };
}
