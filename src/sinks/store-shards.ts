import { hash } from 'node:crypto';
import type { SqlDatabase } from './store-sql.ts';

/** One physical table of the journal. */
export interface JournalShard {
  readonly database: SqlDatabase;
  readonly table: string;
}

/** All physical tables of the journal: `tables` of them in each database, in database order. */
export function journalShards(databases: readonly SqlDatabase[], tables: number): JournalShard[] {
  return databases.flatMap((database) => journalTables(tables).map((table) => ({ database, table })));
}

/** Names of the journal's tables in one database. */
export function journalTables(tables: number): string[] {
  return Array.from({ length: tables }, (_, index) => `journal_${index}`);
}

/** The shard that holds every change of a table, by its qualified name. Stable for ever: stored rows are found by it. */
export function shardOf(tableName: string, shards: number): number {
  return shards === 1 ? 0 : Number.parseInt(hash('md5', tableName, 'hex').slice(0, 8), 16) % shards;
}
