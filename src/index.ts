/**
 * The library door: everything a pipeline composed in code is made of. `examples/` shows how it fits together.
 *
 * `connect(loadConfig(…))` makes the adapters, `pipelineOf` the stream over them, `runService` the whole service.
 */

// The pipeline.
export { type Connected, connect, type Hooks, syncOptions } from './cli/connect.ts';
export { steadyScheduler } from './cli/steady-scheduler.ts';
// Configuration.
export { type ConfigLine, describeConfig } from './config/describe.ts';
export { type Config, type LoadOptions, loadConfig } from './config/load.ts';
export type { Settings } from './config/schema.ts';
// Formats.
export { type CanalJsonOptions, canalJson } from './formats/canal-json.ts';
// Operators, in the order of the stream.
export { type BackUpOptions, backUp } from './operators/back-up.ts';
export type { BackoffOptions } from './operators/backoff.ts';
export { type BulkIndexOptions, bulkIndex, type IndexedBatch } from './operators/bulk-index.ts';
export type { Entry } from './operators/entry.ts';
export { filterChanges } from './operators/filter-changes.ts';
export { type DedupedBatch, type LatestPerKeyOptions, latestPerKey } from './operators/latest-per-key.ts';
export { mapChanges } from './operators/map-changes.ts';
export { type ParseChangesOptions, parseChanges } from './operators/parse-changes.ts';
export { type SettleOptions, settle } from './operators/settle.ts';
export { tapChanges } from './operators/tap-changes.ts';
export { type UpsertBufferOptions, upsertBuffer } from './operators/upsert-buffer.ts';
// Domain types.
export {
  type Change,
  type ChangeBatch,
  checksumOf,
  type LogRecord,
  placeOf,
  type RecordBatch,
  type Rejection,
  sizeOf,
  type Table,
  versionOf,
} from './pipeline/change.ts';
export { type ErrorCode, SluiceError } from './pipeline/errors.ts';
export type { PipelineEvent, Report } from './pipeline/events.ts';
export { type Health, type HealthOptions, health, type Verdict } from './pipeline/health.ts';
export { type HttpServer, type HttpServerOptions, httpServer } from './pipeline/http-server.ts';
export { documentOf, type JsonDocument, textOf } from './pipeline/json-document.ts';
export { OwedKeys } from './pipeline/owed-keys.ts';
// Ports.
export type * from './pipeline/ports.ts';
export { type Anchor, InFlight, PartitionLog, Ticket } from './pipeline/position.ts';
export { type RecoveryOptions, recovered } from './pipeline/recovery.ts';
export { type Compose, closeParts, type Ending, pipelineOf, runService, type Service } from './pipeline/run-service.ts';
export { DEFAULT_OPTIONS, type Parts, type Staged, type SyncOptions, stage } from './pipeline/stages.ts';
export { type SyncStages, syncPipeline } from './pipeline/sync-pipeline.ts';
export {
  type RoutedTable,
  type TableRule,
  type TableRuleConfig,
  type Tables,
  type TablesConfig,
  tables,
} from './pipeline/tables.ts';
export { type Telemetry, type TelemetryOptions, telemetry } from './pipeline/telemetry.ts';
export { type UpkeepOptions, upkeep } from './pipeline/upkeep.ts';
// Adapters: the index, the buffer, the store, the source.
export { type DirectorySinkOptions, directorySink, readDirectoryIndex } from './sinks/directory-sink.ts';
export {
  type ElasticsearchSink,
  type ElasticsearchSinkOptions,
  elasticsearchSink,
} from './sinks/elasticsearch-sink.ts';
export { type MemoryBufferOptions, memoryBuffer } from './sinks/memory-buffer.ts';
export { type MysqlStore, type MysqlStoreOptions, mysqlStore } from './sinks/mysql-store.ts';
export { noBuffer } from './sinks/no-buffer.ts';
export { type RedisBuffer, type RedisBufferOptions, redisBuffer } from './sinks/redis-buffer.ts';
export { type SqliteStoreOptions, sqliteStore } from './sinks/sqlite-store.ts';
export { type FileSource, type FileSourceOptions, fileSource } from './sources/file-source.ts';
export { type KafkaSource, type KafkaSourceOptions, kafkaSource } from './sources/kafka-source.ts';
export type { SourceEvent } from './sources/source-event.ts';
