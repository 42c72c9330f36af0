import { exponentialBuckets } from 'prom-client';

/** One time series, as docs/metrics.md lists it. */
export interface Series {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Label values that exist, at 0, before anything happened. */
  readonly known?: readonly Readonly<Record<string, string>>[];
  readonly buckets?: readonly number[];
}

const each = (label: string, values: readonly string[]): Record<string, string>[] =>
  values.map((value) => ({ [label]: value }));

const CALL_SECONDS = exponentialBuckets(0.001, 2, 14);
const FRESHNESS_SECONDS = [0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 30, 60, 120, 300, 900, 3600, 14_400];

/** Those of the format, and the commonest of the index; others appear when they occur. */
const LETTER_REASONS = [
  'not-json',
  'malformed-record',
  'record-too-large',
  'no-primary-key',
  'null-key',
  'incomplete-row',
  'partial-json',
  'statement-format',
  'unordered-key-change',
  'value-mismatch',
  'index-taken',
  'document_parsing_exception',
  'illegal_argument_exception',
  'strict_dynamic_mapping_exception',
];

export const COUNTERS = {
  syncSuccess: {
    name: 'buffer_sync_success_total',
    help: 'Documents the index took, or held a newer version of',
  },
  syncFailure: {
    name: 'buffer_sync_failure_total',
    help: 'Documents an attempt failed for: to be sent again, held or rejected',
  },
  records: { name: 'sluice_records_received_total', help: 'Records read from the log', labels: ['topic'] },
  changes: { name: 'sluice_changes_received_total', help: 'Row changes read from the log', labels: ['topic', 'op'] },
  skipped: {
    name: 'sluice_skipped_total',
    help: 'Records or rows that ask nothing of the index',
    labels: ['reason'],
    known: each('reason', ['unrouted', 'ddl', 'query-text', 'empty', 'marker', 'tombstone-record', 'xa-end']),
  },
  deadLettered: {
    name: 'sluice_dead_lettered_total',
    help: 'Changes that became dead letters',
    labels: ['reason'],
    known: each('reason', LETTER_REASONS),
  },
  notices: {
    name: 'sluice_notices_total',
    help: 'Source events an operator should hear of, such as TRUNCATE',
    labels: ['kind'],
    known: each('kind', ['truncate', 'erase', 'rename', 'drop-database', 'columns-changed', 'key-columns-changed']),
  },
  buffered: { name: 'sluice_changes_buffered_total', help: 'Changes written to the buffer' },
  journaled: { name: 'sluice_changes_journaled_total', help: 'Changes written to the journal' },
  journalGaps: { name: 'sluice_journal_gaps_total', help: 'Runs of records that settled while the journal was away' },
  journalGapRecords: { name: 'sluice_journal_gap_records_total', help: 'Offsets inside those runs' },
  windows: {
    name: 'sluice_windows_total',
    help: 'Windows closed, by what closed them',
    labels: ['cause'],
    known: each('cause', ['time', 'cap', 'end']),
  },
  windowChanges: { name: 'sluice_window_changes_total', help: 'Changes folded in windows' },
  coalesced: {
    name: 'sluice_coalesced_total',
    help: 'Writes saved: changes that a newer change of their key replaced before they were written',
  },
  superseded: {
    name: 'sluice_superseded_in_flight_total',
    help: 'Documents whose next attempt a newer change of their key made needless',
  },
  indexed: {
    name: 'sluice_indexed_total',
    help: 'Documents settled in the index',
    labels: ['table', 'op'],
  },
  bulkItems: {
    name: 'sluice_bulk_items_total',
    help: 'Documents of bulk requests, by outcome',
    labels: ['outcome'],
    known: each('outcome', ['done', 'conflict', 'retry', 'held', 'rejected']),
  },
  retries: { name: 'sluice_retries_total', help: 'Documents put up for another attempt after a failure' },
  holds: { name: 'sluice_holds_total', help: 'Times an index was left alone because it took nothing' },
  parked: { name: 'sluice_parked_total', help: 'Keys parked in the store' },
  recovered: { name: 'sluice_recovered_total', help: 'Parked keys taken up again' },
  deletesChecked: { name: 'sluice_deletes_checked_total', help: 'Deletes looked up in the index again' },
  deletesRepeated: {
    name: 'sluice_deletes_repeated_total',
    help: 'Deletes sent again because the index had forgotten them',
  },
  dependencyErrors: {
    name: 'sluice_dependency_errors_total',
    help: 'Times a server became unreachable or unfit',
    labels: ['name'],
  },
  rebalances: { name: 'sluice_rebalances_total', help: 'Times the share of partitions changed' },
  commits: { name: 'sluice_commits_total', help: 'Commits of positions the broker took' },
  commitFailures: {
    name: 'sluice_commit_failures_total',
    help: 'Commits of positions that failed; the next one repeats them',
  },
  crashes: { name: 'sluice_source_crashes_total', help: 'Times the consumer broke down' },
} satisfies Record<string, Series>;

export const HISTOGRAMS = {
  syncLatency: {
    name: 'buffer_sync_latency_seconds',
    help: 'Age of the oldest change of each settled batch, from its Kafka timestamp',
    buckets: FRESHNESS_SECONDS,
  },
  commitToIndex: {
    name: 'sluice_commit_to_index_seconds',
    help: 'Age of the oldest change of each settled batch, by table',
    labels: ['table'],
    buckets: FRESHNESS_SECONDS,
  },
  bulkRequest: { name: 'sluice_bulk_request_seconds', help: 'Duration of bulk requests', buckets: CALL_SECONDS },
  bufferWrite: { name: 'sluice_buffer_write_seconds', help: 'Duration of writes to the buffer', buckets: CALL_SECONDS },
  journalWrite: {
    name: 'sluice_journal_write_seconds',
    help: 'Duration of writes to the journal',
    buckets: CALL_SECONDS,
  },
} satisfies Record<string, Series>;

export const GAUGES = {
  bufferSize: { name: 'buffer_size', help: 'Keys in the buffer' },
  buildInfo: { name: 'sluice_build_info', help: 'Always 1', labels: ['version', 'revision', 'node'] },
  inFlightBytes: { name: 'sluice_in_flight_bytes', help: 'Bytes read and not yet settled' },
  inFlightChanges: { name: 'sluice_in_flight_changes', help: 'Changes read and not yet settled' },
  inFlightLimitBytes: { name: 'sluice_in_flight_limit_bytes', help: 'Bytes at which the source pauses' },
  inFlightLimitChanges: { name: 'sluice_in_flight_limit_changes', help: 'Changes at which the source pauses' },
  windowKeys: { name: 'sluice_window_keys', help: 'Keys in the fold when the last window closed' },
  windowBytes: { name: 'sluice_window_bytes', help: 'Bytes in the fold when the last window closed' },
  parkedKeys: { name: 'sluice_parked_keys', help: 'Keys parked in the store' },
  assignedPartitions: { name: 'sluice_assigned_partitions', help: 'Partitions this instance owns now' },
  lag: {
    name: 'sluice_consumer_lag_records',
    help: 'Records between the position and the end of the log; partitions owned now only',
    labels: ['topic', 'partition'],
  },
  unsettled: {
    name: 'sluice_unsettled_records',
    help: 'Records read and not yet passed by the position; partitions owned now only',
    labels: ['topic', 'partition'],
  },
  oldestUnsettled: {
    name: 'sluice_oldest_unsettled_seconds',
    help: 'Age of the oldest unsettled change; 0 when idle; partitions owned now only',
    labels: ['topic', 'partition'],
  },
  sourcePaused: {
    name: 'sluice_source_paused',
    help: '1 while reading is paused at the in-flight limit, after a wait of 500 ms',
  },
  dependencyUp: {
    name: 'sluice_dependency_up',
    help: '1 from a first answer of the server until it fails',
    labels: ['name'],
  },
  indexHeld: {
    name: 'sluice_index_held',
    help: '1 while the index of a table is left alone; `all`: every index is',
    labels: ['table'],
    known: [{ table: 'all' }],
  },
  lastSettled: {
    name: 'sluice_last_settled_timestamp_seconds',
    help: 'When a batch was settled last; 0 before the first',
  },
} satisfies Record<string, Series>;
