import { AsyncSubject, finalize, NEVER, Observable, switchMap, takeUntil, timer } from 'rxjs';
import { eachValueFrom } from 'rxjs-for-await';
import type { IndexedBatch } from '../operators/bulk-index.ts';
import { Deadline } from './deadline.ts';
import { SluiceError } from './errors.ts';
import { saveFinalPositions } from './final-positions.ts';
import type { PartitionLog } from './position.ts';
import { DEFAULT_OPTIONS, type Parts, type StageParts, type SyncOptions, stage } from './stages.ts';
import { syncPipeline } from './sync-pipeline.ts';

/** A running pipeline. States: running, draining (after `stop` or the end of input), done. */
export interface Service {
  /** Resolves when everything read is settled or parked and every adapter is closed; rejects with what ended the stream. */
  readonly done: Promise<Ending>;
  /** Ends intake and drains. What is unsettled at the deadline is parked, or else read again at the next start. Idempotent. */
  stop(): void;
}

/** How a service ended. */
export interface Ending {
  /** Keys of this input that the index has not taken and the store holds; null after `stop`, which asks for no count. */
  readonly parkedKeys: number | null;
}

/** How long after the drain deadline the stream is given up: time for the last parking and the last bulk answer. */
const GRACE_MS = 5000;

/** How long the last commit, leaving the group and closing may take together after a stop or a failure: a server that hangs must not hold the process. */
const CLOSE_MS = 3000;

/** Of that, how long the last positions may take to be mirrored in the store. */
const MIRROR_MS = 1000;

/** The longest time from `stop` to the end of `done` besides `drainMs`, milliseconds. */
export const LONGEST_CLOSE_MS = GRACE_MS + CLOSE_MS + MIRROR_MS;

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
  const drainMs = Number.isFinite(options.drainMs) ? options.drainMs : DEFAULT_OPTIONS.drainMs;
  const deadline = stopping.emitted
    .pipe(switchMap(() => timer(drainMs + GRACE_MS, parts.scheduler)))
    .subscribe(() => abandoned.emit());
  let isAsked = false;
  const stop = (): void => {
    isAsked = true;
    stopping.emit();
    parts.source.stop();
  };

  let logs: readonly PartitionLog[] = [];
  const assigned = parts.source.assignments.subscribe(({ partitions }) => {
    logs = partitions;
  });

  const run = async (): Promise<Ending> => {
    let closing: Deadline | null = null;
    try {
      for await (const batch of eachValueFrom(pipeline.pipe(takeUntil(abandoned.emitted)))) onSettled(batch);
      closing = new Deadline(isAsked ? CLOSE_MS : Number.POSITIVE_INFINITY, parts.scheduler);
      await closing.wait(parts.source.commit(), commitUnknown);
      await mirrorPositions(parts, logs);
      return { parkedKeys: isAsked ? null : await countParked(parts.store, logs) };
    } finally {
      deadline.unsubscribe();
      assigned.unsubscribe();
      closing ??= new Deadline(CLOSE_MS, parts.scheduler);
      await closeWithin(parts, closing);
      closing.end();
    }
  };
  return { done: run(), stop };
}

/** Only to compare the log by at the next start: a store that is away must neither fail nor delay a stop that went well. */
async function mirrorPositions({ scheduler, store }: Parts, logs: readonly PartitionLog[]): Promise<void> {
  const deadline = new Deadline(MIRROR_MS, scheduler);
  await deadline.wait(saveFinalPositions(store, logs, scheduler.now()), timedOut).catch(() => undefined);
  deadline.end();
}

async function countParked(store: Parts['store'], logs: readonly PartitionLog[]): Promise<number> {
  let keys = 0;
  for (const log of logs) keys += await store.parkedCount(log);
  return keys;
}

/** Closes every adapter, in the order of the stream. Never rejects. */
export function closeParts(parts: Parts): Promise<void> {
  return closeWithin(parts, new Deadline(Number.POSITIVE_INFINITY, parts.scheduler));
}

/** Asks every adapter to close, and waits for it while there is time. */
async function closeWithin({ source, buffer, index, store }: Parts, deadline: Deadline): Promise<void> {
  for (const part of [source, buffer, index, store]) {
    // A close that fails has nothing left to lose: what mattered is committed.
    await deadline.wait(part.close(), timedOut).catch(() => undefined);
  }
}

const timedOut = (): Error => new Error('no answer in time');

function commitUnknown(): SluiceError {
  return new SluiceError('E2001', 'positions could not be committed', {
    detail: `no answer within ${CLOSE_MS} ms`,
    remedy: 'What was read since the last commit is read again',
    retriable: true,
  });
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
