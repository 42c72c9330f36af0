import { map, type Observable, type OperatorFunction, pipe, type SchedulerLike, tap } from 'rxjs';
import { type BulkIndexOptions, bulkIndex, type IndexedBatch } from '../src/operators/bulk-index.ts';
import { type LatestPerKeyOptions, latestPerKey } from '../src/operators/latest-per-key.ts';
import type { IndexWrite, Outcome } from '../src/pipeline/ports.ts';
import { wordOf, wordsOf } from './change-words.ts';
import { type DrawnCalls, drawnCalls } from './drawn-calls.ts';
import { foldOptions } from './fold-words.ts';
import { type WordLog, wordLog } from './word-log.ts';

export interface BulkWordsOptions extends Partial<Omit<BulkIndexOptions, 'scheduler'>> {
  readonly index: BulkIndexOptions['index'];
  readonly scheduler: SchedulerLike;
  readonly log?: WordLog;
  readonly window?: Partial<LatestPerKeyOptions>;
  /** Whether what comes out is settled on the spot; else somebody after it does so. */
  readonly settles?: boolean;
}

/**
 * The way of batches in words through fold and index, each settlement in words as it comes. Every window is two
 * characters long; back-off is certain, 2 characters after the first attempt and 4 after the second; a hold lasts 6.
 */
export function bulkWords({ settles = true, ...options }: BulkWordsOptions): OperatorFunction<string, string> {
  return pipe(
    indexed(options),
    tap(({ batch, delivered, rejected }) => {
      if (settles) batch.settle([...delivered, ...rejected.map(({ entry }) => entry)]);
    }),
    map(settledWords),
  );
}

/** The same, with what comes out as it is. */
export function indexed(options: BulkWordsOptions): OperatorFunction<string, IndexedBatch> {
  const { log = wordLog(), settles: _settles, window, ...overrides } = options;
  return pipe(
    map((words: string) => log.read(words)),
    latestPerKey(foldOptions({ scheduler: options.scheduler, log, windowMs: 2, ...window })),
    bulkIndex({
      slots: 1,
      maxAttempts: 3,
      holdMs: 6,
      backoff: { firstMs: 2, random: () => 1 },
      report: () => undefined,
      ...overrides,
    }),
  );
}

/** What one request settled: `a1 -b2`, and `c3!mapper_parsing_exception` for what was refused. */
export function settledWords({ delivered, rejected }: IndexedBatch): string {
  const refused = rejected.map(({ entry, errorType }) => `${wordOf(entry)}!${errorType}`);
  return [wordsOf(delivered), ...refused].filter(Boolean).join(' ');
}

/** What the index does with a call; an Error is thrown. */
export type DrawnAnswer = Observable<readonly Outcome[]> | Error;

/** An index that answers its calls as drawn, an answer being complete at its end; what it is asked for is written as changes are. */
export function drawnIndex(...answers: readonly DrawnAnswer[]): {
  readonly asked: Observable<string>;
  readonly index: BulkIndexOptions['index'];
} {
  const { asked, call }: DrawnCalls<[readonly IndexWrite[]]> = drawnCalls(
    (writes) => writes.map(writeWord).join(' '),
    ...answers,
  );
  return { asked, index: { write: call } };
}

function writeWord({ document, key, table, version }: IndexWrite): string {
  return `${document === null ? '-' : ''}${table.name === 'rows' ? '' : `${table.name}.`}${key}${version}`;
}

const BUSY = {
  kind: 'retry',
  errorType: 'es_rejected_execution_exception',
  isOverload: true,
  retryAfterMs: null,
} as const;

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  done: { kind: 'done', conflict: false },
  newer: { kind: 'done', conflict: true },
  retry: { kind: 'retry', errorType: 'unavailable', isOverload: false, retryAfterMs: null },
  busy: BUSY,
  hold: { kind: 'hold', scope: 'index', errorType: 'cluster_block_exception' },
  'hold-all': { kind: 'hold', scope: 'all', errorType: 'security_exception' },
  split: { kind: 'split', errorType: 'request_too_large' },
  reject: { kind: 'reject', errorType: 'mapper_parsing_exception', detail: 'field price of type long' },
};

/** Outcomes in words: those above, and `wait7` for a retry that the server wants after 7 ms. */
export function outcomesOf(words: string): readonly Outcome[] {
  return words.split(' ').map((word) => {
    const [, waitMs] = /^wait(\d+)$/.exec(word) ?? [];
    if (waitMs !== undefined) return { ...BUSY, retryAfterMs: Number(waitMs) };
    const outcome = OUTCOMES[word];
    if (outcome === undefined) throw new Error(`not an outcome: ${word}`);
    return outcome;
  });
}

/** Values of a drawing whose letters stand for outcomes in words. */
export function outcomes(words: Readonly<Record<string, string>>): Record<string, readonly Outcome[]> {
  return Object.fromEntries(Object.entries(words).map(([letter, list]) => [letter, outcomesOf(list)]));
}
