import { AsyncSubject, finalize, Observable, switchMap, takeUntil, timer } from 'rxjs';
import { eachValueFrom } from 'rxjs-for-await';
import type { IndexedBatch } from '../operators/bulk-index.ts';
import { saveFinalPositions } from './final-positions.ts';
import type { PartitionLog } from './position.ts';
import { DEFAULT_OPTIONS, type Parts, type SyncOptions, stage } from './stages.ts';
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

/**
 * Runs the pipeline until its input ends or `stop` is called, then drains, commits and closes in reverse order of the
 * stream. `onSettled` hears of each settled batch. The store must be open.
 */
export function runService(
  parts: Parts,
  options: SyncOptions,
  onSettled: (batch: IndexedBatch) => void = () => undefined,
): Service {
  const ended = new Signal();
  const stopping = new Signal();
  const abandoned = new Signal();
  const records = parts.source.records.pipe(finalize(() => ended.emit()));
  const staged = stage(parts, options, { ended: ended.emitted, stopping: stopping.emitted });
  const pipeline = syncPipeline({ records, recovered: staged.recovered }, staged.stages);
  // Upkeep lives as long as the pipeline and never emits.
  const whole = new Observable<IndexedBatch>((subscriber) => {
    const beside = staged.upkeep.subscribe({ error: (error) => subscriber.error(error) });
    beside.add(pipeline.subscribe(subscriber));
    return beside;
  });
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
      for await (const batch of eachValueFrom(whole.pipe(takeUntil(abandoned.emitted)))) onSettled(batch);
      await parts.source.commit();
      // Only to compare the log by at the next start: a store that is away must not fail a stop that went well.
      await saveFinalPositions(parts.store, logs, parts.scheduler.now()).catch(() => undefined);
    } finally {
      deadline.unsubscribe();
      assigned.unsubscribe();
      await closeAll(parts);
    }
  };
  return { done: run(), stop };
}

/** Closes everything, in the order of the stream, and reports the first failure only when nothing else failed before. */
async function closeAll({ source, buffer, index, store }: Parts): Promise<void> {
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
