import {
  catchError,
  finalize,
  from,
  map,
  type Observable,
  type ObservableInput,
  of,
  type SchedulerLike,
  tap,
} from 'rxjs';
import type { BackoffOptions } from '../operators/backoff.ts';
import type { ChangeBatch, Rejection } from './change.ts';
import type { PipelineEvent, Report } from './events.ts';
import { OwedKeys } from './owed-keys.ts';
import { pairingGuard, pairingRefusals } from './pairing.ts';
import type {
  Asked,
  ChangeBuffer,
  IndexSink,
  KeyVersion,
  MonitorRow,
  ParkedKey,
  RecordFormat,
  RecordSource,
  SettledKey,
  Store,
} from './ports.ts';
import type { InFlight } from './position.ts';
import { recovered } from './recovery.ts';
import type { SyncStages } from './sync-pipeline.ts';
import { upkeep } from './upkeep.ts';

/** What the stages use of connected adapters, and what they report to. */
export interface StageParts {
  readonly source: Pick<RecordSource, 'records' | 'assignments'>;
  readonly format: RecordFormat;
  readonly buffer: Pick<ChangeBuffer, 'upsert' | 'remove'>;
  readonly store: Asked<Omit<Store, 'name' | 'open' | 'ping' | 'close'>>;
  readonly index: Asked<Pick<IndexSink, 'write' | 'versions' | 'incarnation' | 'ping'>>;
  readonly inFlight: InFlight;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/** Connected adapters whole, as a service opens and closes them. */
export interface Parts extends StageParts {
  readonly source: RecordSource;
  readonly buffer: ChangeBuffer;
  readonly store: Store;
  readonly index: IndexSink;
}

/** The settings of the stages; every field is documented where its stage takes it. */
export interface SyncOptions {
  readonly window: { ms: number; maxKeys: number; maxBytes: number; parkAfterWindows: number };
  readonly batch: { documents: number; bytes: number };
  readonly slots: number;
  readonly maxAttempts: number;
  readonly backoff: BackoffOptions;
  readonly holdMs: number;
  readonly journalChanges: 'all' | 'none';
  readonly drainMs: number;
  readonly sweepMs: number;
  readonly pauseLimitMs: number;
  readonly gcDeletesMs: number;
  readonly keepMs: number;
}

/** What may be read and not settled: bytes as `sizeOf` and `recordsSize` count them, and changes. */
export const DEFAULT_IN_FLIGHT = { bytes: 24 << 20, changes: 500_000 };

export const DEFAULT_OPTIONS: SyncOptions = {
  window: { ms: 3000, maxKeys: 200_000, maxBytes: 12 << 20, parkAfterWindows: 10 },
  batch: { documents: 1000, bytes: 5 << 20 },
  slots: 4,
  maxAttempts: 3,
  backoff: { firstMs: 200, maxMs: 10_000 },
  holdMs: 5000,
  journalChanges: 'all',
  drainMs: 20_000,
  sweepMs: 10_000,
  pauseLimitMs: 24 * 3_600_000,
  gcDeletesMs: 3_600_000,
  keepMs: 24 * 3_600_000,
};

/** Everything `syncPipeline` needs, and what runs beside it. */
export interface Staged {
  readonly stages: SyncStages;
  readonly recovered: Observable<ChangeBatch>;
  readonly upkeep: Observable<never>;
}

/** Wires the stages to the adapters. `ended`: the input has; `stopping`: somebody asked to stop. */
export function stage(
  parts: StageParts,
  options: SyncOptions,
  { ended, stopping }: { ended: Observable<unknown>; stopping: Observable<unknown> },
): Staged {
  const { buffer, format, inFlight, scheduler, source, store } = parts;
  const parked = new OwedKeys();
  const letters = new OwedKeys();
  const index = new IndexWatch(parts.index);
  const report: Report = (event) => {
    index.hear(event);
    parts.report(event);
  };
  const common = { inFlight, report, scheduler };
  const writeLetters = (rejections: readonly Rejection[]): ObservableInput<void> => {
    const keyed = rejections.flatMap((one) => {
      const { key, table, version } = one;
      return table === null || key === null ? [] : [{ one, owed: { table, key, version } }];
    });
    for (const { one, owed } of keyed) letters.writing(one, owed, one);
    // A call that fails is repeated with the same letters until it succeeds.
    const written = (): void => {
      for (const { one, owed } of keyed) letters.written(one, owed, one);
    };
    return from(store.writeLetters(rejections)).pipe(tap({ complete: written }));
  };
  const park = (keys: readonly ParkedKey[]): ObservableInput<void> => {
    for (const one of keys) parked.writing(one, one.change, one);
    const ended = (): void => {
      for (const one of keys) parked.written(one, one.change, one);
    };
    // Not repeated: what the store did not take goes back into the window.
    return from(store.park(keys)).pipe(finalize(ended));
  };
  const settling = {
    unpark: (keys: readonly KeyVersion[]) => store.unpark(keys),
    closeLetters: (keys: readonly SettledKey[]) => store.closeLetters(keys),
    addMonitorRows: (rows: readonly MonitorRow[]) => store.addMonitorRows(rows),
    writeLetters,
  };
  const { assignments } = source;
  const refusalOf = pairingRefusals(store);
  return {
    stages: {
      parse: { ...common, format, writeLetters },
      buffer: { ...common, buffer },
      journal: { ...common, store, changes: options.journalChanges, deletesMustBeDurable: true },
      window: {
        ...common,
        park,
        windowMs: options.window.ms,
        maxKeys: options.window.maxKeys,
        maxBytes: options.window.maxBytes,
        parkAfterWindows: options.window.parkAfterWindows,
        batch: options.batch,
        drainMs: options.drainMs,
      },
      index: {
        ...common,
        index: parts.index,
        slots: options.slots,
        maxAttempts: options.maxAttempts,
        backoff: options.backoff,
        holdMs: options.holdMs,
        admit: pairingGuard(store, refusalOf),
      },
      settle: { ...common, store: settling, buffer, parked, letters },
    },
    recovered: recovered({
      ...common,
      store,
      assignments,
      until: ended,
      halt: stopping,
      parked,
      letters,
      isIndexUp: () => index.isUp(),
      sweepMs: options.sweepMs,
      page: { keys: 4000, bytes: 8 << 20 },
    }),
    upkeep: upkeep({
      ...common,
      store,
      index: parts.index,
      refusalOf,
      assignments,
      pauseLimitMs: options.pauseLimitMs,
      gcDeletesMs: options.gcDeletesMs,
      keepMs: options.keepMs,
    }),
  };
}

/** Whether the index takes anything, as the stream saw it last; when it did not, the index itself is asked. */
class IndexWatch {
  private wasTaken = true;
  private readonly index: Asked<Pick<IndexSink, 'ping'>>;

  constructor(index: Asked<Pick<IndexSink, 'ping'>>) {
    this.index = index;
  }

  hear(event: PipelineEvent): void {
    if (event.type === 'bulk') this.wasTaken = event.done + event.rejected > 0;
  }

  isUp(): ObservableInput<boolean> {
    if (this.wasTaken) return of(true);
    return from(this.index.ping()).pipe(
      map(() => true),
      catchError(() => of(false)),
    );
  }
}
