import { DatabaseSync } from 'node:sqlite';
import { checksumOf } from '../../src/pipeline/change.ts';
import { SluiceError } from '../../src/pipeline/errors.ts';
import { textOf } from '../../src/pipeline/json-document.ts';
import type { Store } from '../../src/pipeline/ports.ts';
import { timeText } from '../../src/sinks/store-rows.ts';
import type { SqlRow } from '../../src/sinks/store-sql.ts';
import { storeConformance } from '../conformance/store.ts';
import { lookup, type StorePlace } from '../conformance/store-samples.ts';
import { nameOf, StoreModel } from './store-model.ts';
import { type StoreTransport, storePort } from './store-port.ts';

/** A store port on the model, with promises for answers and the manners of a real store. */
function storeOn(model: StoreModel): Store {
  let isClosed = false;
  const answer = async <T>(apply: () => T): Promise<T> => {
    if (isClosed) throw new SluiceError('E4001', 'the store is closed');
    return apply();
  };
  const take: StoreTransport = (_, __, apply) => answer(apply);
  const port = storePort(model, lookup, 2, take, async (calls) => {
    await Promise.all(calls);
    await answer(() => undefined);
  });
  return {
    ...(port as Store),
    name: 'model',
    open: async () => undefined,
    ping: () => answer(() => undefined),
    close: async () => {
      isClosed = true;
    },
  };
}

/** What the model holds as the tables and views that people query. */
function query(model: StoreModel, sql: string): SqlRow[] {
  const database = new DatabaseSync(':memory:');
  database.exec(`CREATE TABLE buffer_backup (table_name, primary_key, operation, data, checksum, is_synced, synced_time,
    topic, partition_no, record_offset, version, ordinal);
    CREATE TABLE sync_monitor (id INTEGER PRIMARY KEY, table_name, sync_batch_id, sync_count, success_count, failure_count,
    start_time, end_time, status, error_message)`);
  const backup = database.prepare(`INSERT INTO buffer_backup VALUES (${Array(12).fill('?').join(', ')})`);
  for (const { change, partition, topic } of model.journal.values()) {
    const { document, key, offset, operation, ordinal, table, version } = change;
    const position = model.streamPositions.get(`${topic}/${partition}`);
    const parked = model.parkedKeys.get(nameOf(table.qualified, key));
    const isParked = parked !== undefined && parked.firstVersion <= version && version <= parked.change.version;
    const isLettered = [...model.deadLetters.values()].some(
      (row) =>
        row.state !== 'closed' && row.tableName === table.qualified && row.key === key && row.version === version,
    );
    const isSynced = position !== undefined && version <= position.settledPlace && !isParked && !isLettered;
    const synced = [isSynced ? 1 : 0, isSynced ? 'then' : null];
    const place = [topic, partition, offset, version, ordinal];
    backup.run(table.qualified, key, operation, textOf(document), checksumOf(document), ...synced, ...place);
  }
  const monitor = database.prepare(`INSERT INTO sync_monitor VALUES (NULL, ${Array(9).fill('?').join(', ')})`);
  for (const {
    batchId,
    endMs,
    errorMessage,
    failureCount,
    startMs,
    status,
    successCount,
    syncCount,
    table,
  } of model.monitor.values()) {
    const times = [timeText(startMs), timeText(endMs)];
    monitor.run(table.qualified, batchId, syncCount, successCount, failureCount, ...times, status, errorMessage);
  }
  return database.prepare(sql).all() as SqlRow[];
}

storeConformance('model of the simulation', async (): Promise<StorePlace> => {
  const model = new StoreModel(() => Date.now());
  return {
    open: async () => storeOn(model),
    query: async (sql) => query(model, sql),
    queryJournal: async (sql) => query(model, sql),
    remove: async () => undefined,
  };
});
