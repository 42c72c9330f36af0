import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SluiceError } from '../pipeline/errors.ts';
import type { Store, TableLookup } from '../pipeline/ports.ts';
import { sqliteDatabase, sqliteError } from './sqlite-store-database.ts';
import { storeOperations } from './store-assembly.ts';
import { migrate } from './store-migrate.ts';
import { journalShards } from './store-shards.ts';
import { sqliteDialect } from './store-sql.ts';

export interface SqliteStoreOptions {
  /** File of the database; made when missing, its directory too. `:memory:` keeps nothing. */
  readonly path: string;
  /** Turns stored rows back into changes. */
  readonly lookup: TableLookup;
}

const JOURNAL_TABLES = 1;

/**
 * Keeps the journal and everything else that must survive in one SQLite file: the store of a service without servers.
 * A call blocks the process for as long as the disk takes; several processes may share the file.
 *
 * Delivery: what resolves is on disk (write-ahead log, synchronous FULL).
 * `open` rejects with SluiceError E4001 when the file cannot be opened, E4002 when its schema does not fit.
 */
export function sqliteStore({ path, lookup }: SqliteStoreOptions): Store {
  let connection: DatabaseSync | null = null;
  const database = sqliteDatabase(() => {
    if (connection === null) throw new SluiceError('E4001', 'the store is not open', { detail: path });
    return connection;
  });
  return {
    name: 'sqlite',
    async open() {
      if (connection !== null) return;
      try {
        if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
        connection = new DatabaseSync(path, { timeout: 0 });
        await database.run('PRAGMA journal_mode = WAL', []);
        await database.run('PRAGMA synchronous = FULL', []);
        await database.transaction((session) =>
          migrate(session, {
            dialect: sqliteDialect,
            collation: '',
            part: { journalTables: JOURNAL_TABLES, isControl: true, controlPrefix: '' },
            layout: `0/1x${JOURNAL_TABLES}`,
          }),
        );
      } catch (error) {
        connection?.close();
        connection = null;
        throw error instanceof SluiceError ? error : sqliteError(error);
      }
    },
    ...storeOperations(database, journalShards([database], JOURNAL_TABLES), lookup),
    async ping() {
      await database.run('SELECT 1', []);
    },
    async close() {
      await database.idle();
      connection?.close();
      connection = null;
    },
  };
}
