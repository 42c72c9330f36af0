import type { Store, TableLookup } from '../pipeline/ports.ts';
import { deletesBetween } from './store-deletes.ts';
import { readGaps, recordGaps } from './store-gaps.ts';
import { journalAppender } from './store-journal.ts';
import {
  closeLetters,
  letterCount,
  letterWriter,
  readLetters,
  readRedrives,
  requestRedrive,
  setLetterState,
} from './store-letters.ts';
import { keyParker, parkedCount, parkedPage, unpark } from './store-parked.ts';
import { purge } from './store-purge.ts';
import {
  monitorWriter,
  pairIndex,
  positionSaver,
  readPositions,
  readRegistration,
  topicRegistrar,
} from './store-registry.ts';
import type { JournalShard } from './store-shards.ts';
import type { SqlDatabase } from './store-sql.ts';

/** Everything of a store but opening, pinging and closing: the same statements for every SQL database. */
export type StoreOperations = Omit<Store, 'name' | 'open' | 'ping' | 'close'>;

/** Puts a store together from the database that holds everything but the journal, and the journal's shards. */
export function storeOperations(
  control: SqlDatabase,
  shards: readonly JournalShard[],
  lookup: TableLookup,
): StoreOperations {
  return {
    append: journalAppender(control, shards),
    recordGaps: (gaps) => recordGaps(control, gaps),
    gaps: () => readGaps(control),
    park: keyParker(control),
    unpark: (keys) => unpark(control, keys),
    parked: (partition, page) => parkedPage(control, lookup, partition, page),
    parkedCount: (partition) => parkedCount(control, partition),
    writeLetters: letterWriter(control),
    closeLetters: (keys) => closeLetters(control, keys),
    letters: (filter) => readLetters(control, lookup, filter),
    letterCount: (partition) => letterCount(control, partition),
    requestRedrive: (filter) => requestRedrive(control, filter),
    redrives: (partition, limit) => readRedrives(control, shards, lookup, partition, limit),
    setLetterState: (ids, state) => setLetterState(control, ids, state),
    registration: (topic) => readRegistration(control, topic),
    register: topicRegistrar(control),
    pair: (index, table, topic) => pairIndex(control, index, table, topic),
    positions: (topic) => readPositions(control, topic),
    savePositions: positionSaver(control),
    deletesBetween: (partition, range) => deletesBetween(shards, lookup, partition, range),
    addMonitorRows: monitorWriter(control),
    purge: (beforeMs, slice) => purge(control, shards, beforeMs, slice),
  };
}
