import { SluiceError } from '../pipeline/errors.ts';
import type { Store, TableLookup } from '../pipeline/ports.ts';
import { endpointOf, type MysqlDatabase, mysqlDatabase } from './mysql-store-database.ts';
import { openDatabase } from './mysql-store-open.ts';
import { storeOperations } from './store-assembly.ts';
import { journalShards } from './store-shards.ts';

export interface MysqlStoreOptions {
  /** `mysql://user:password@host:port/database` of the database that holds everything but, perhaps, the journal. */
  readonly url: string;
  /** Turns stored rows back into changes. */
  readonly lookup: TableLookup;
  /**
   * Where the journal lies: `tables` tables (1 to 1024, default 1) in each database of `urls` (default: the one of `url`),
   * chosen by table name. Fixed once rows are stored: `open` refuses another layout.
   */
  readonly journal?: { readonly urls?: readonly string[]; readonly tables?: number };
  /** Options of Node's TLS (`ca`, `cert`, `key`, …); without it the connection is in plain text. */
  readonly tls?: object;
  /** Connections to each database, default 4. */
  readonly connections?: number;
  /** How long one statement, or the wait for a connection, may take; default 10,000 ms. */
  readonly timeoutMs?: number;
}

export interface MysqlStore extends Store {
  /** What `open` found that weakens durability, one line each. */
  readonly warnings: readonly string[];
}

/**
 * Keeps the journal and everything else that must survive in MySQL 8+ or MariaDB 10.11+.
 *
 * Delivery: what resolves is committed; it is as durable as the server's own settings, see `warnings`.
 * Calls reject with SluiceError E4001 (unreachable, may be repeated) or E4002 (unfit).
 * @throws SluiceError E1001 when a URL or number cannot be used.
 */
export function mysqlStore(options: MysqlStoreOptions): MysqlStore {
  const { url, lookup, journal = {}, tls = null, connections = 4, timeoutMs = 10_000 } = options;
  const tables = journal.tables ?? 1;
  if (!Number.isInteger(tables) || tables < 1 || tables > 1024)
    throw new SluiceError('E1001', 'journal.tables must be 1 to 1024', { detail: `it is ${tables}` });
  const databases = new Map<string, MysqlDatabase>();
  const databaseOf = (address: string): MysqlDatabase => {
    const endpoint = endpointOf(address);
    const identity = `${endpoint.host}:${endpoint.port}/${endpoint.database}`;
    const known = databases.get(identity) ?? mysqlDatabase({ endpoint, tls, connections, timeoutMs });
    databases.set(identity, known);
    return known;
  };
  const control = databaseOf(url);
  const journals = (journal.urls?.length ? journal.urls : [url]).map(databaseOf);
  if (new Set(journals).size < journals.length)
    throw new SluiceError('E1001', 'journal.urls names a database twice', { remedy: 'Name each database once.' });
  const warnings: string[] = [];
  return {
    name: 'mysql',
    warnings,
    async open() {
      warnings.length = 0;
      // The control database first: views of the others read its tables.
      for (const database of databases.values()) {
        const index = journals.indexOf(database);
        warnings.push(
          ...(await openDatabase(database, {
            control,
            journalTables: index < 0 ? 0 : tables,
            layout: index < 0 ? 'none' : `${index}/${journals.length}x${tables}`,
          })),
        );
      }
    },
    ...storeOperations(control, journalShards(journals, tables), lookup),
    async ping() {
      await Promise.all([...databases.values()].map((database) => database.run('SELECT 1', [])));
    },
    async close() {
      await Promise.all([...databases.values()].map((database) => database.end()));
    },
  };
}
