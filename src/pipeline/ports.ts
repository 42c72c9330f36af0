import type { Observable, ObservableInput } from 'rxjs';
import type { Change, RecordBatch, Rejection, Table } from './change.ts';
import type { JsonDocument } from './json-document.ts';
import type { PartitionLog } from './position.ts';

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
  readonly document: JsonDocument | null;
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

export type * from './store-port.ts';
