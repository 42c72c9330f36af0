import type { Table } from './change.ts';

/** Everything the pipeline tells about itself, at most once a batch or a window. telemetry.ts turns it into metrics and log lines. */
export type PipelineEvent =
  | {
      type: 'parsed';
      topic: string;
      partition: number;
      records: number;
      inserts: number;
      updates: number;
      deletes: number;
      rejected: number;
      skipped: ReadonlyMap<string, number>;
    }
  | { type: 'notice'; kind: string; table: string; detail: string; topic: string; partition: number; offset: number }
  | { type: 'buffered'; changes: number; ms: number }
  | { type: 'journaled'; changes: number; ms: number }
  | {
      type: 'window';
      cause: 'time' | 'cap' | 'end';
      changes: number;
      keys: number;
      bytes: number;
      /** Of the changes, those that replaced an older one of their key, where the fold counts them. */
      superseded: number;
    }
  | {
      type: 'bulk';
      table: Table;
      documents: number;
      ms: number;
      done: number;
      conflicts: number;
      retries: number;
      held: number;
      rejected: number;
    }
  | { type: 'held'; table: Table | null; errorType: string; forMs: number }
  | { type: 'retrying'; table: Table; errorType: string; keys: number; attempt: number; waitMs: number }
  | { type: 'superseded-in-flight'; keys: number }
  /** Each of these documents makes requests fail by itself, and is sent alone from now on. */
  | { type: 'isolated'; table: Table; errorType: string; keys: number }
  | { type: 'parked'; keys: number }
  | {
      type: 'recovered';
      topic: string;
      partition: number;
      keys: number;
      /** Parked keys still to come, by the count at the assignment; null in a sweep of due keys that goes on. */
      left: number | null;
    }
  | { type: 'dead-lettered'; reason: string; table: string; count: number }
  | {
      type: 'settled';
      table: Table;
      upserts: number;
      deletes: number;
      rejected: number;
      oldestTimestampMs: number;
      newestTimestampMs: number;
      atMs: number;
    }
  | { type: 'dependency'; name: 'kafka' | 'buffer' | 'store' | 'index'; isUp: boolean; code: string; detail: string }
  | { type: 'deletes-checked'; topic: string; partition: number; checked: number; repeated: number }
  | { type: 'journal-gap'; topic: string; partition: number; from: number; to: number };

export type Report = (event: PipelineEvent) => void;
