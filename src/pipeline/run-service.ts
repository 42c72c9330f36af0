import { AsyncSubject, finalize, NEVER, Observable, switchMap, takeUntil, timer } from 'rxjs';
import { eachValueFrom } from 'rxjs-for-await';
import type { IndexedBatch } from '../operators/bulk-index.ts';
import { saveFinalPositions } from './final-positions.ts';
import type { PartitionLog } from './position.ts';
import { DEFAULT_OPTIONS, type Parts, type StageParts, type SyncOptions, stage } from './stages.ts';
import { syncPipeline } from './sync-pipeline.ts';

/** A running pipeline. States: running, draining (after `stop` or the end of input), done. */
export interface Service {
  /** Resolves when everything read is settled or parked and every adapter is closed; rejects with what ended the stream. */
  readonly done: Promise<void>;
  /** Ends intake and drains. What is unsettled at the deadline is parked, or else read again at the next start. Idempotent. */
  stop(): void;
}

/** How long after the drain deadline the stream is given up: time for the last parking and the last bulk answer. */
const GRACE_MS = 5000;

/** How the stages are put together: `syncPipeline`, or the same with operators of one's own between its stages. */
export type Compose = typeof syncPipeline;

/**
 * The pipeline over connected adapters, with the upkeep that belongs to it, as a cold Observable of settled batches. It
 * completes when the input has ended and everything is settled or parked. Whoever subscribes opens the store before,
 * and afterwards commits and closes. When `stopping` emits, no more parked keys are taken up.
 */
export function pipelineOf(
  parts: StageParts,
  options: SyncOptions,
  { compose = syncPipeline, stopping = NEVER }: { compose?: Compose; stopping?: Observable<unknown> } = {},
): Observable<IndexedBatch> {
  return new Observable((subscriber) => {
    const ended = new Signal();
    const records = parts.source.records.pipe(finalize(() => ended.emit()));
    const staged = stage(parts, options, { ended: ended.emitted, stopping });
    // Upkeep lives as long as the pipeline and never emits.
    const beside = staged.upkeep.subscribe({ error: (error) => subscriber.error(error) });
    beside.add(compose({ records, recovered: staged.recovered }, staged.stages).subscribe(subscriber));
    return beside;
  });
}

/**
 * Runs the pipeline until its input ends or `stop` is called, then drains, commits and closes in reverse order of the
 * stream. `onSettled` hears of each settled batch. The store must be open.
 */
export function runService(
  parts: Parts,
  options: SyncOptions,
  onSettled: (batch: IndexedBatch) => void = () => undefined,
  compose: Compose = syncPipeline,
): Service {
  const stopping = new Signal();
  const abandoned = new Signal();
  const pipeline = pipelineOf(parts, options, { compose, stopping: stopping.emitted });
  // Input that ends by itself is drained however long it takes; somebody who asks to stop will not wait.
  const drainMs = Math.min(options.drainMs, DEFAULT_OPTIONS.drainMs);
  const deadline = stopping.emitted
    .pipe(switchMap(() => timer(drainMs + GRACE_MS, parts.scheduler)))
    .subscribe(() => abandoned.emit());
  const stop = (): void => {
    stopping.emit();
    parts.source.stop();
  };

  let logs: readonly PartitionLog[] = [];
  const assigned = parts.source.assignments.subscribe(({ partitions }) => {
    logs = partitions;
  });

  const run = async (): Promise<void> => {
    try {
      for await (const batch of eachValueFrom(pipeline.pipe(takeUntil(abandoned.emitted)))) onSettled(batch);
      await parts.source.commit();
      // Only to compare the log by at the next start: a store that is away must not fail a stop that went well.
      await saveFinalPositions(parts.store, logs, parts.scheduler.now()).catch(() => undefined);
    } finally {
      deadline.unsubscribe();
      assigned.unsubscribe();
      await closeParts(parts);
    }
  };
  return { done: run(), stop };
}

/** Closes every adapter, in the order of the stream. Never rejects. */
export async function closeParts({ source, buffer, index, store }: Parts): Promise<void> {
  for (const part of [source, buffer, index, store]) {
    try {
      await part.close();
    } catch {
      // A close that fails has nothing left to lose: what mattered is committed.
    }
  }
}

/** Something that happens once; who asks later is told too. */
class Signal {
  private readonly subject = new AsyncSubject<true>();
  readonly emitted: Observable<true> = this.subject;

  emit(): void {
    this.subject.next(true);
    this.subject.complete();
  }
}
