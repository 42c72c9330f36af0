import { merge, type Observable } from 'rxjs';
import { type BackUpOptions, backUp } from '../operators/back-up.ts';
import { type BulkIndexOptions, bulkIndex, type IndexedBatch } from '../operators/bulk-index.ts';
import { type LatestPerKeyOptions, latestPerKey } from '../operators/latest-per-key.ts';
import { type ParseChangesOptions, parseChanges } from '../operators/parse-changes.ts';
import { type SettleOptions, settle } from '../operators/settle.ts';
import { type UpsertBufferOptions, upsertBuffer } from '../operators/upsert-buffer.ts';
import type { ChangeBatch, RecordBatch } from './change.ts';

/** What each stage needs. `stages.ts` makes them of a configuration and connected adapters. */
export interface SyncStages {
  readonly parse: ParseChangesOptions;
  readonly buffer: UpsertBufferOptions;
  readonly journal: BackUpOptions;
  readonly window: LatestPerKeyOptions;
  readonly index: BulkIndexOptions;
  readonly settle: SettleOptions;
}

/**
 * Kafka record → changes → Redis → MySQL journal → newest per key → Elasticsearch → settled. Read this file first.
 *
 * `recovered` are keys the store still owes the index. They pass the buffer, are in the store already, and meet the live
 * changes of their keys in the window, where versions decide.
 */
export function syncPipeline(
  { records, recovered }: { records: Observable<RecordBatch>; recovered: Observable<ChangeBatch> },
  stages: SyncStages,
): Observable<IndexedBatch> {
  return merge(
    recovered.pipe(upsertBuffer(stages.buffer)),
    records.pipe(parseChanges(stages.parse), upsertBuffer(stages.buffer), backUp(stages.journal)),
  ).pipe(latestPerKey(stages.window), bulkIndex(stages.index), settle(stages.settle));
}
