import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqliteStore } from '../../src/sinks/sqlite-store.ts';
import type { SqlRow } from '../../src/sinks/store-sql.ts';
import { storeConformance } from './store.ts';
import { lookup, type StorePlace } from './store-samples.ts';

storeConformance('sqlite', async (): Promise<StorePlace> => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-store-'));
  const path = join(directory, 'new', 'journal.db');
  const query = async (sql: string) => {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      return database.prepare(sql).all() as SqlRow[];
    } finally {
      database.close();
    }
  };
  return {
    async open() {
      const store = sqliteStore({ path, lookup });
      await store.open();
      return store;
    },
    query,
    queryJournal: query,
    async remove() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
});
