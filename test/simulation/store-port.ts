import type { ObservableInput } from 'rxjs';
import type { Change } from '../../src/pipeline/change.ts';
import type { Asked, Partition, Store, TableLookup } from '../../src/pipeline/ports.ts';
import { shardOf } from '../../src/sinks/store-shards.ts';
import type { StoreModel } from './store-model.ts';

/** Takes a call to a database of the store: `control`, or a shard of the journal by number. */
export type StoreTransport = <T>(database: 'control' | number, what: string, apply: () => T) => ObservableInput<T>;

/** What the pipeline asks of a store, answered by the model through a transport. */
export type StorePort = Asked<Omit<Store, 'name' | 'open' | 'close' | 'ping'>>;

/** One instance's connection to the store. `all` joins the answers of several databases into one. */
export function storePort(
  model: StoreModel,
  lookup: TableLookup,
  shards: number,
  take: StoreTransport,
  all: (calls: readonly ObservableInput<unknown>[]) => ObservableInput<void>,
): StorePort {
  const append = (partition: Partition, changes: readonly Change[]): ObservableInput<void> => {
    const parts = new Map<number, Change[]>();
    for (const change of changes) {
      const shard = shardOf(change.table.qualified, shards);
      const part = parts.get(shard);
      if (part === undefined) parts.set(shard, [change]);
      else part.push(change);
    }
    return all([...parts].map(([shard, part]) => take(shard, 'append', () => model.append(partition, part))));
  };
  return {
    append,
    recordGaps: (gaps) => take('control', 'recordGaps', () => model.recordGaps(gaps)),
    gaps: () => take('control', 'gaps', () => model.gaps()),
    park: (keys) => take('control', 'park', () => model.park(keys)),
    unpark: (keys) => take('control', 'unpark', () => model.unpark(keys)),
    parked: (partition, page) => take('control', 'parked', () => model.parked(partition, page, lookup)),
    parkedCount: (partition) => take('control', 'parkedCount', () => model.parkedCount(partition)),
    writeLetters: (letters) => take('control', 'writeLetters', () => model.writeLetters(letters)),
    closeLetters: (keys) => take('control', 'closeLetters', () => model.closeLetters(keys)),
    letters: (filter) => take('control', 'letters', () => model.letters(filter, lookup)),
    letterCount: (partition) => take('control', 'letterCount', () => model.letterCount(partition)),
    requestRedrive: (filter) => take('control', 'requestRedrive', () => model.requestRedrive(filter)),
    redrives: (partition, limit) => take('control', 'redrives', () => model.redrives(partition, limit, lookup)),
    setLetterState: (ids, state) => take('control', 'setLetterState', () => model.setLetterState(ids, state)),
    registration: (topic) => take('control', 'registration', () => model.registration(topic)),
    register: (registration) => take('control', 'register', () => model.register(registration)),
    pair: (index, table, topic) => take('control', 'pair', () => model.pair(index, table, topic)),
    positions: (topic) => take('control', 'positions', () => model.positions(topic)),
    savePositions: (positions) => take('control', 'savePositions', () => model.savePositions(positions)),
    deletesBetween: (partition, range) =>
      take(0, 'deletesBetween', () => model.deletesBetween(partition, range, lookup)),
    addMonitorRows: (rows) => take('control', 'addMonitorRows', () => model.addMonitorRows(rows)),
    purge: (beforeMs, slice) => take('control', 'purge', () => model.purge(beforeMs, slice)),
  };
}
