import { type ColumnTypes, columnTypes, placeColumns } from './store-columns.ts';
import { journalTables } from './store-shards.ts';
import type { Dialect } from './store-sql.ts';
import { viewStatements } from './store-view.ts';

/** The version of everything in this file; `schema_version` holds the one a database has. */
export const SCHEMA_VERSION = 1;

interface TableDefinition {
  readonly name: string;
  readonly columns: readonly string[];
  readonly primary?: string;
  readonly unique?: string;
  readonly indexes?: Readonly<Record<string, string>>;
}

function journalDefinitions(types: ColumnTypes, tables: number): TableDefinition[] {
  return journalTables(tables).map((name) => ({
    name,
    columns: [
      `id ${types.id}`,
      ...placeColumns(types),
      `ordinal ${types.number}`,
      `is_delete ${types.flag}`,
      `operation ${types.exact(16)}`,
      `data ${types.body}`,
      `checksum ${types.exact(64)}`,
      `record_time_ms ${types.number}`,
      `created_time ${types.time} ${types.now}`,
    ],
    // is_delete follows from the rest, so it does not weaken the key; it makes the deletes of a partition one range.
    unique: 'topic, partition_no, is_delete, version, ordinal',
    indexes: {
      [`${name}_table_key`]: 'table_name, primary_key, version',
      [`${name}_created_time`]: 'created_time',
    },
  }));
}

function parkedAndLetters(types: ColumnTypes): TableDefinition[] {
  return [
    {
      name: 'parked_keys',
      columns: [
        `id ${types.id}`,
        ...placeColumns(types),
        `ordinal ${types.number}`,
        `is_delete ${types.flag}`,
        `operation ${types.exact(16)}`,
        `data ${types.body}`,
        `record_time_ms ${types.number}`,
        `first_offset ${types.number}`,
        `first_version ${types.number}`,
        `bytes ${types.number}`,
        `attempts ${types.number} DEFAULT 0`,
        `next_attempt_ms ${types.number} DEFAULT 0`,
        `created_time ${types.time} ${types.now}`,
      ],
      unique: 'table_name, primary_key',
      indexes: { parked_keys_partition: 'topic, partition_no, id' },
    },
    {
      name: 'dead_letters',
      columns: [
        `id ${types.id}`,
        ...placeColumns(types),
        `operation ${types.exact(16)}`,
        `reason ${types.exact(64)}`,
        `detail ${types.body}`,
        `body ${types.body}`,
        `state ${types.exact(8)}`,
        `identity ${types.exact(32)}`,
        `created_time ${types.time} ${types.now}`,
      ],
      unique: 'identity',
      indexes: {
        dead_letters_key: 'table_name, primary_key, version',
        dead_letters_state: 'state, topic, partition_no, id',
      },
    },
  ];
}

function streamDefinitions(types: ColumnTypes): TableDefinition[] {
  const partition = [`topic ${types.exact(249)}`, `partition_no ${types.number}`];
  const nullable = (type: string) => type.replace('NOT NULL', 'NULL');
  return [
    {
      name: 'stream_registry',
      columns: [
        `topic ${types.exact(249)}`,
        `partitions ${types.number}`,
        `boundaries ${types.body}`,
        `epoch ${types.number}`,
      ],
      primary: 'topic',
    },
    {
      name: 'index_pairings',
      columns: [`index_name ${types.exact(255)}`, `table_name ${types.exact(129)}`, `topic ${types.exact(249)}`],
      primary: 'index_name',
      unique: 'table_name',
    },
    {
      // A place is epoch · 2^44 + offset: it orders positions across epochs, and a version ≤ place lies below it.
      name: 'stream_positions',
      columns: [
        ...partition,
        `settled ${types.number}`,
        `anchor_offset ${nullable(types.number)}`,
        `anchor_time_ms ${nullable(types.number)}`,
        `anchor_hash ${nullable(types.exact(64))}`,
        `deletes_checked ${types.number}`,
        `candidate ${types.number}`,
        `candidate_since_ms ${types.number}`,
        `updated_time ${types.time} ${types.now}`,
        `settled_place ${types.number}`,
        `deletes_place ${types.number}`,
      ],
      primary: 'topic, partition_no',
    },
    {
      // Where the position was at the end of each minute: what `synced_time` is read from.
      name: 'position_times',
      columns: [
        ...partition,
        `minute ${types.number}`,
        `reached_time ${types.time} ${types.now}`,
        `settled_place ${types.number}`,
      ],
      primary: 'topic, partition_no, minute',
      indexes: { position_times_place: 'topic, partition_no, settled_place, minute', position_times_minute: 'minute' },
    },
    {
      name: 'journal_gaps',
      columns: [...partition, `reason ${types.exact(64)}`, `from_offset ${types.number}`, `to_offset ${types.number}`],
      primary: 'topic, partition_no, reason, from_offset',
    },
    {
      name: 'sync_monitor',
      columns: [
        `id ${types.id}`,
        `table_name ${types.exact(129)}`,
        `sync_batch_id ${types.exact(64)}`,
        `sync_count ${types.number}`,
        `success_count ${types.number}`,
        `failure_count ${types.number}`,
        `start_time ${types.time} ${types.now}`,
        `end_time ${types.time} ${types.now}`,
        `status ${types.exact(16)}`,
        `error_message ${nullable(types.body)}`,
      ],
      unique: 'sync_batch_id, table_name',
      indexes: { sync_monitor_table_name: 'table_name', sync_monitor_time: 'start_time' },
    },
  ];
}

export interface SchemaPart {
  /** Tables of the journal in this database; 0 for none. */
  readonly journalTables: number;
  /** Whether this database holds everything else, too. */
  readonly isControl: boolean;
  /** What to put before the control tables' names to read them from here; null when they are on another server. */
  readonly controlPrefix: string | null;
}

/** Every table of a part, by name and one of its columns. */
export function schemaTables(part: SchemaPart): { name: string; column: string }[] {
  const types = columnTypes({ name: 'sqlite' } as Dialect, '');
  return definitionsOf(types, part).map(({ name, columns }) => ({
    name,
    column: (columns.at(-1) as string).split(' ')[0] as string,
  }));
}

function definitionsOf(types: ColumnTypes, part: SchemaPart): TableDefinition[] {
  const journal = journalDefinitions(types, part.journalTables);
  return part.isControl ? [...journal, ...parkedAndLetters(types), ...streamDefinitions(types)] : journal;
}

/** The table that tells which schema a database has: the only one that is created unasked. */
export function versionTable(dialect: Dialect, collation: string): string {
  const types = columnTypes(dialect, collation);
  return `CREATE TABLE IF NOT EXISTS schema_version (part ${types.exact(32)}, value ${types.exact(64)}, PRIMARY KEY (part))`;
}

/** The statements that create a part of the schema; each may be run again. */
export function schemaStatements(dialect: Dialect, collation: string, part: SchemaPart): string[] {
  const statements: string[] = [];
  for (const { name, columns, primary, unique, indexes = {} } of definitionsOf(columnTypes(dialect, collation), part)) {
    const lines = [...columns];
    if (primary) lines.push(`PRIMARY KEY (${primary})`);
    if (unique) lines.push(`UNIQUE (${unique})`);
    const inline = dialect.name === 'mysql'; // a CREATE INDEX of its own cannot be repeated on MySQL
    if (inline) for (const [index, on] of Object.entries(indexes)) lines.push(`INDEX ${index} (${on})`);
    const suffix = inline ? ' ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4' : '';
    statements.push(`CREATE TABLE IF NOT EXISTS ${name} (\n  ${lines.join(',\n  ')}\n)${suffix}`);
    if (!inline)
      for (const [index, on] of Object.entries(indexes))
        statements.push(`CREATE INDEX IF NOT EXISTS ${index} ON ${name} (${on})`);
  }
  if (part.journalTables > 0) statements.push(...viewStatements(dialect, part));
  return statements;
}
