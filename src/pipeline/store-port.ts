import type { ObservableInput } from 'rxjs';
import type { Change, Rejection, Table } from './change.ts';
import type { Anchor } from './position.ts';

/** A partition of the log as the store names it. */
export interface Partition {
  readonly topic: string;
  readonly partition: number;
}

/** Offsets `from` to `to`, both included, whose changes are not in the journal. */
export interface JournalGap extends Partition {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** A key Elasticsearch is still owed, with its newest body. `firstOffset`: its oldest unsettled change. */
export interface ParkedKey extends Partition {
  readonly change: Change;
  readonly firstOffset: number;
}

export interface KeyVersion {
  readonly table: Table;
  readonly key: string;
  readonly version: number;
}

/** A settled change of a key. Versions order the changes of a key within its topic only, also over partitions and epochs. */
export interface SettledKey extends KeyVersion {
  readonly topic: string;
}

export interface DeadLetter extends Rejection {
  readonly id: number;
  /** `open`: needs somebody. `redrive`: asked to be sent again. `closed`: sent, or overtaken by a newer version. */
  readonly state: 'open' | 'redrive' | 'closed';
  readonly createdMs: number;
}

export interface LetterFilter {
  readonly table?: string;
  readonly reason?: string;
  readonly state?: DeadLetter['state'];
  readonly id?: number;
  readonly limit?: number;
}

/** Where an epoch begins in one partition. `partitionsBefore`: how many the topic had in the epoch before. */
export interface EpochBoundary {
  readonly partition: number;
  readonly epoch: number;
  readonly fromOffset: number;
  readonly partitionsBefore?: number;
}

/** What the registry keeps of a topic (delivery.md 1.4). */
export interface TopicRegistration {
  readonly topic: string;
  readonly partitions: number;
  readonly epoch: number;
  /** Per partition, the first offset of each epoch after the first: records below it keep the epoch before. */
  readonly boundaries: readonly EpochBoundary[];
}

/** Position of one partition, mirrored for SQL, with the anchor (the last settled record) and the delete-check position R. */
export interface StoredPosition extends Partition {
  readonly settled: number;
  readonly anchor: Anchor | null;
  /** R of delivery.md 6: every delete below it was checked for good. */
  readonly deletesChecked: number;
  /** The offset R may move to, and since when it has been settled (ms). */
  readonly candidate: number;
  readonly candidateSinceMs: number;
}

/** One `sync_monitor` row (mission M9). */
export interface MonitorRow {
  readonly table: Table;
  readonly batchId: string;
  readonly syncCount: number;
  readonly successCount: number;
  readonly failureCount: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly status: 'SUCCESS' | 'PARTIAL' | 'FAILED';
  readonly errorMessage: string | null;
}

/** Turns stored rows back into changes: the table objects of this process, by qualified name and index. Null when no longer configured. */
export type TableLookup = (database: string, name: string) => Table | null;

/**
 * The durable side (delivery.md 3): journal, parked keys, dead letters, registry, positions, monitor. What resolves is
 * committed. Everything is idempotent: repeating a call after an unknown outcome changes nothing.
 */
export interface Store {
  readonly name: string;
  /** Connects, creates and migrates the schema. Rejects with SluiceError E4001 (unreachable) or E4002 (unfit). */
  open(): Promise<void>;

  /** Appends changes in order; one row a change, keyed by (topic, partition, version, ordinal). */
  append(partition: Partition, changes: readonly Change[]): ObservableInput<void>;
  recordGaps(gaps: readonly JournalGap[]): ObservableInput<void>;
  gaps(): Promise<readonly JournalGap[]>;

  /** Inserts or replaces by version: an older body never replaces a newer one. */
  park(keys: readonly ParkedKey[]): ObservableInput<void>;
  /** Removes each key whose parked version is not above the version given. Resolves with the number removed. */
  unpark(keys: readonly KeyVersion[]): ObservableInput<number>;
  /**
   * The next parked keys of a partition after `cursor`, in a stable order, at most `limit` rows and about `maxBytes`.
   * With `onlyDue` only those whose back-off has passed, or ends further from `nowMs` than any back-off is long. Marks what
   * it returns as tried at `nowMs` (attempts + 1, next attempt by exponential back-off, 10 min at most). `cursor` of the
   * answer is null at the end.
   */
  parked(
    partition: Partition,
    page: { cursor: string | null; limit: number; maxBytes: number; nowMs: number; onlyDue: boolean },
  ): ObservableInput<{ keys: readonly ParkedKey[]; cursor: string | null }>;
  /** Number of parked keys of a partition (the whole store without one). */
  parkedCount(partition?: Partition): Promise<number>;

  /** Adds letters; the same (topic, partition, version, key, reason) again changes nothing. */
  writeLetters(letters: readonly Rejection[]): ObservableInput<void>;
  /** Closes the letters that a key has in its topic and whose version is not above the one given. Resolves with the number closed. */
  closeLetters(keys: readonly SettledKey[]): ObservableInput<number>;
  letters(filter: LetterFilter): Promise<readonly DeadLetter[]>;
  letterCount(partition?: Partition): Promise<number>;
  /** Marks open letters to be sent again by the partition's owner. Resolves with the number marked. */
  requestRedrive(filter: LetterFilter): Promise<number>;
  /** Letters of a partition marked for redrive, as changes; those whose key has a newer change in the journal come with `isOvertaken`. */
  redrives(
    partition: Partition,
    limit: number,
  ): ObservableInput<readonly { letter: DeadLetter; change: Change | null; isOvertaken: boolean }[]>;
  /** Puts letters back to `open` (a redrive that was rejected again) or closes them. */
  setLetterState(ids: readonly number[], state: DeadLetter['state']): ObservableInput<void>;

  registration(topic: string): Promise<TopicRegistration | null>;
  register(registration: TopicRegistration): Promise<void>;
  /** Claims index ↔ table ↔ topic. Resolves with the claim in force: the same triple, or the one that stands against it. */
  pair(index: string, table: string, topic: string): Promise<{ index: string; table: string; topic: string }>;
  positions(topic: string): Promise<readonly StoredPosition[]>;
  /** Never moves `settled` or `deletesChecked` back unless the partition's epoch changed. */
  savePositions(positions: readonly StoredPosition[]): ObservableInput<void>;

  /** Deletes in the journal with from ≤ offset < to: the newest row of each key in that range, where that row is a delete. Paged. */
  deletesBetween(
    partition: Partition,
    range: { from: number; to: number; cursor: string | null; limit: number },
  ): ObservableInput<{ deletes: readonly KeyVersion[]; cursor: string | null }>;

  addMonitorRows(rows: readonly MonitorRow[]): ObservableInput<void>;
  /**
   * Deletes in slices, oldest first: journal rows created before `beforeMs` and below the partition's `deletesChecked`
   * (never the newest row of a parked or lettered key), monitor rows and closed letters before `beforeMs`. Resolves with
   * the number of rows deleted; 0 means nothing is left to do.
   */
  purge(beforeMs: number, slice: number): Promise<number>;

  ping(): Promise<void>;
  close(): Promise<void>;
}
