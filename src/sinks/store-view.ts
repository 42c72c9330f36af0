import type { SchemaPart } from './store-schema.ts';
import { journalTables } from './store-shards.ts';
import type { Dialect } from './store-sql.ts';

/**
 * The view `buffer_backup`. A row is synced when the position has passed it and neither a parked key nor an open letter
 * stands for it; `synced_time` is the minute's end at which the position was seen past it.
 */
export function viewStatements(dialect: Dialect, part: SchemaPart): string[] {
  const control = part.controlPrefix;
  const synced = `EXISTS (SELECT 1 FROM ${control}stream_positions p
      WHERE p.topic = j.topic AND p.partition_no = j.partition_no AND p.settled_place >= j.version)
    AND NOT EXISTS (SELECT 1 FROM ${control}parked_keys k WHERE k.table_name = j.table_name
      AND k.primary_key = j.primary_key AND k.first_version <= j.version AND k.version >= j.version)
    AND NOT EXISTS (SELECT 1 FROM ${control}dead_letters l WHERE l.table_name = j.table_name
      AND l.primary_key = j.primary_key AND l.version = j.version AND l.state <> 'closed')`;
  const syncedTime = `(SELECT t.reached_time FROM ${control}position_times t WHERE t.topic = j.topic
      AND t.partition_no = j.partition_no AND t.settled_place >= j.version ORDER BY t.settled_place, t.minute LIMIT 1)`;
  const computed =
    control === null
      ? 'NULL AS synced_time, NULL AS is_synced'
      : `CASE WHEN ${synced} THEN ${syncedTime} END AS synced_time, CASE WHEN ${synced} THEN 1 ELSE 0 END AS is_synced`;
  const selects = journalTables(part.journalTables).map(
    (table) => `SELECT j.id, j.table_name, j.primary_key, j.operation, j.data, j.checksum, j.created_time, ${computed},
    j.topic, j.partition_no, j.record_offset, j.version, j.ordinal FROM ${table} j`,
  );
  const body = `AS ${selects.join('\nUNION ALL\n')}`;
  return dialect.name === 'mysql'
    ? [`CREATE OR REPLACE SQL SECURITY INVOKER VIEW buffer_backup ${body}`]
    : ['DROP VIEW IF EXISTS buffer_backup', `CREATE VIEW buffer_backup ${body}`];
}
