/** What a source tells about itself, at most once a fetch: for metrics and log lines. Holds no row data. */
export type SourceEvent =
  /** A topic was seen for the first time. */
  | { readonly type: 'registered'; readonly topic: string; readonly partitions: number }
  /** The share changed; nothing is read until `assigned`. */
  | { readonly type: 'rebalanced'; readonly generation: number; readonly partitions: number }
  | {
      readonly type: 'assigned';
      readonly generation: number;
      readonly partitions: readonly {
        readonly topic: string;
        readonly partition: number;
        /** Where reading starts. */
        readonly from: number;
        /** End of the log when it was asked. */
        readonly end: number;
      }[];
    }
  | {
      readonly type: 'fetched';
      readonly topic: string;
      readonly partition: number;
      readonly records: number;
      readonly bytes: number;
      /** End of the log as the fetch saw it; lag is this less the position. */
      readonly end: number;
    }
  /** Reading stopped at the in-flight limit, or goes on. */
  | { readonly type: 'paused'; readonly isPaused: boolean; readonly bytes: number; readonly changes: number }
  | { readonly type: 'committed'; readonly partitions: number }
  | { readonly type: 'commit-failed'; readonly detail: string }
  /** The consumer broke down. When it does not restart, `records` errs. */
  | { readonly type: 'crashed'; readonly isRestarting: boolean; readonly detail: string }
  | { readonly type: 'warning'; readonly detail: string };
