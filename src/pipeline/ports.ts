import type { Observable, ObservableInput } from 'rxjs';
import type { Change, RecordBatch, Rejection, Table } from './change.ts';
import type { Anchor, PartitionLog } from './position.ts';

/**
 * The ports of the pipeline. Adapters answer with any ObservableInput (a promise is one), so a marble test replaces a
 * server by `cold('---r|')`. An answer that errs means "nothing is known": the caller may send the same call again, and
 * every call here is made so that a repetition changes nothing.
 */

/**
 * A port as the pipeline sees it: what an adapter promises may come as any ObservableInput. So virtual time can carry all
 * answers, which promises would leave.
 */
export type Asked<Port> = {
  readonly [Name in keyof Port]: Port[Name] extends (...given: infer Given) => Promise<infer Answer>
    ? (...given: Given) => ObservableInput<Answer>
    : Port[Name];
};

// ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One member's share of the log, valid until the next one is emitted. The first offsets are where reading starts. */
export interface Assignment {
  readonly generation: number;
  readonly partitions: readonly PartitionLog[];
}

/** Where records come from. Subscribing to `records` starts it; it completes at the end of input or after `stop`. */
export interface RecordSource {
  readonly records: Observable<RecordBatch>;
  /** The assignment in force, then each new one. Recovery and delete checks hang on it. Never errs. */
  readonly assignments: Observable<Assignment>;
  /** Ends intake: `records` completes, the group membership stays, so positions can still be committed. */
  stop(): void;
  /** Commits every position that moved since the last commit. Also done every 500 ms. Resolves when the broker has answered. */
  commit(): Promise<void>;
  close(): Promise<void>;
}

/** Rows of a log's records as changes. Pure but for what it learns about tables. Never throws on bad input. */
export interface RecordFormat {
  parse(batch: RecordBatch): ParsedBatch;
}

export interface ParsedBatch {
  readonly changes: readonly Change[];
  readonly rejected: readonly Rejection[];
  /** Records (or rows) that ask nothing of the index, counted by reason: `query-text`, `ddl`, `unrouted`, `empty`, … */
  readonly skipped: ReadonlyMap<string, number>;
  /** Events an operator should hear of, at most one of each kind and table a batch: truncate under `alarm`, XA rollback, … */
  readonly notices: readonly {
    readonly kind: string;
    readonly table: string;
    readonly detail: string;
    readonly offset: number;
  }[];
}

// ── buffer ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The newest change of each row, for everybody to see (mission M3). A view: losing it loses nothing. */
export interface ChangeBuffer {
  readonly name: string;
  /** Stores each change unless a newer version is there. One change a key at most. */
  upsert(changes: readonly Change[]): ObservableInput<void>;
  /** Removes each key unless what is stored is newer than the version given. */
  remove(
    keys: readonly { readonly table: Table; readonly key: string; readonly version: number }[],
  ): ObservableInput<void>;
  /** What is stored under a key, or null. For inspection and tests. */
  read(table: Table, key: string): Promise<BufferRecord | null>;
  /** Number of buffered keys (an estimate where counting would be slow): the gauge `buffer_size`. */
  size(): Promise<number>;
  /** Resolves when the server answers; rejects with SluiceError E5001 otherwise. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The JSON value of the request, plus `version`. `data` is the row as JSON text inside JSON, as the request's class holds it. */
export interface BufferRecord {
  readonly primaryKey: string;
  /** `database.table`. */
  readonly tableName: string;
  readonly operation: string;
  readonly data: string;
  readonly timestamp: number;
  readonly checksum: string;
  readonly version: number;
}

// ── index ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One versioned write: `index` with external_gte when there is a document, `delete` with external_gte when it is null. */
export interface IndexWrite {
  readonly table: Table;
  readonly key: string;
  readonly version: number;
  readonly document: string | null;
}

/**
 * What became of one write (delivery.md 5).
 * `done`: the index holds this version or a newer one (`conflict`: it was newer). `retry`: unknown or refused for now; send
 * the same again. `hold`: this index (or every index) takes nothing now; not the document's fault. `split`: the request as
 * a whole was refused; send it in halves. `reject`: this document will never be taken.
 */
export type Outcome =
  | { readonly kind: 'done'; readonly conflict: boolean }
  | {
      readonly kind: 'retry';
      readonly errorType: string;
      readonly isOverload: boolean;
      readonly retryAfterMs: number | null;
    }
  | { readonly kind: 'hold'; readonly scope: 'index' | 'all'; readonly errorType: string }
  | { readonly kind: 'split'; readonly errorType: string }
  | { readonly kind: 'reject'; readonly errorType: string; readonly detail: string };

/** The search side. */
export interface IndexSink {
  readonly name: string;
  /** One request, all of one index. Outcomes line up with the writes. Errs only on a defect of ours: failures of the server are outcomes. */
  write(writes: readonly IndexWrite[]): ObservableInput<readonly Outcome[]>;
  /** Version of each document as a realtime read sees it; null where there is none. Errs when unknown. */
  versions(table: Table, keys: readonly string[]): ObservableInput<readonly (number | null)[]>;
  /** Changes when delete versions may have been forgotten: node start times and primary allocations. Errs when unknown. */
  incarnation(): Promise<string>;
  /** Resolves when the server answers and is fit; rejects with SluiceError E3001 or E3002. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

// ── store ────────────────────────────────────────────────────────────────────────────────────────────────────────────

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
   * With `dueMs` only those whose back-off has passed. Marks what it returns as tried at `nowMs` (attempts + 1, next
   * attempt by exponential back-off). `cursor` of the answer is null at the end.
   */
  parked(
    partition: Partition,
    page: { cursor: string | null; limit: number; maxBytes: number; nowMs: number; onlyDue: boolean },
  ): ObservableInput<{ keys: readonly ParkedKey[]; cursor: string | null }>;
  /** Number of parked keys of a partition (the whole store without one). */
  parkedCount(partition?: Partition): Promise<number>;

  /** Adds letters; the same (topic, partition, version, key, reason) again changes nothing. */
  writeLetters(letters: readonly Rejection[]): ObservableInput<void>;
  /** Closes the open letters of each key whose version is not above the version given. Resolves with the number closed. */
  closeLetters(keys: readonly KeyVersion[]): ObservableInput<number>;
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
