import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  type Observable,
  type OperatorFunction,
  type SchedulerLike,
  Subscription,
  tap,
  throwError,
  timeout,
} from 'rxjs';
import type { ChangeBatch } from '../pipeline/change.ts';
import type { Report } from '../pipeline/events.ts';
import type { ChangeBuffer } from '../pipeline/ports.ts';
import { gatherMap, shareOf } from './gather-map.ts';
import { newestPerKey } from './newest-per-key.ts';

export interface UpsertBufferOptions {
  readonly buffer: Pick<ChangeBuffer, 'upsert'>;
  /** While the buffer is unreachable, one batch is tried beside the stream every so often. Milliseconds, 2000 by default. */
  readonly probeMs?: number;
  /** A buffer that has not answered for so long is unreachable. Milliseconds, 60,000 by default: our adapters answer before. */
  readonly deadlineMs?: number;
  /** Changes gathered into one call at most. Default 5000. */
  readonly maxChanges?: number;
  /** Their bytes at most, as `sizeOf` counts them; a larger batch goes alone. Default 8 MiB. */
  readonly maxBytes?: number;
  readonly report: Report;
  readonly scheduler: SchedulerLike;
}

/**
 * Stores the newest change of each row in the buffer and passes the batch on when it is there.
 *
 * Delivery: none depends on it. When the buffer fails, batches pass at once and are not stored; a probe beside the stream
 * finds out when it is back. So an unreachable buffer costs the stream one time-out, once.
 */
export function upsertBuffer(options: UpsertBufferOptions): OperatorFunction<ChangeBatch, ChangeBatch> {
  const {
    buffer,
    deadlineMs = 60_000,
    maxBytes = 8 << 20,
    maxChanges = 5000,
    probeMs = 2000,
    report,
    scheduler,
  } = options;
  return (batches) =>
    defer(() => {
      let isUp = true;
      let nextProbeMs = 0;
      const probe = new Subscription();
      const silent = throwError(() => new Error(`no answer within ${deadlineMs} ms`));

      const upsert = (group: readonly ChangeBatch[]): Observable<never> => {
        const startedMs = scheduler.now();
        const changes = newestPerKey(group.flatMap((batch) => batch.changes));
        return defer(() => buffer.upsert(changes)).pipe(
          timeout({ each: deadlineMs, with: () => silent, scheduler }),
          ignoreElements(),
          tap({
            complete: () => {
              if (!isUp) report({ type: 'dependency', name: 'buffer', isUp: true, code: '', detail: '' });
              isUp = true;
              report({ type: 'buffered', changes: changes.length, ms: scheduler.now() - startedMs });
            },
            error: (error) => {
              if (isUp)
                report({ type: 'dependency', name: 'buffer', isUp: false, code: 'E5001', detail: nameOf(error) });
              isUp = false;
              nextProbeMs = scheduler.now() + probeMs;
            },
          }),
        );
      };

      return batches.pipe(
        gatherMap(
          (group) => {
            if (group.every((batch) => batch.changes.length === 0)) return from(group);
            if (isUp) return concat(upsert(group).pipe(catchError(() => EMPTY)), from(group));
            if (scheduler.now() >= nextProbeMs) {
              nextProbeMs = Number.POSITIVE_INFINITY; // one probe at a time; its failure sets the next
              probe.add(upsert(group).subscribe({ error: () => undefined }));
            }
            return from(group);
          },
          { weightOf: shareOf({ changes: maxChanges, bytes: maxBytes }), maxWeight: 1 },
        ),
        finalize(() => probe.unsubscribe()),
      );
    });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
