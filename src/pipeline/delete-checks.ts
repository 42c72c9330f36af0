import { concat, concatMap, defer, EMPTY, from, last, map, type Observable, type SchedulerLike } from 'rxjs';
import { untilDone } from '../operators/backoff.ts';
import type { Table } from './change.ts';
import type { IndexSink, KeyVersion, Partition, Store } from './ports.ts';

export interface DeleteCheckOptions {
  readonly store: Pick<Store, 'deletesBetween'>;
  readonly index: Pick<IndexSink, 'versions' | 'write'>;
  /** Deletes read and asked about at a time. */
  readonly page: number;
  readonly scheduler: SchedulerLike;
}

/** What a check of a range found: deletes looked at, and documents that had come back and were deleted again. */
export interface DeleteCheck {
  readonly checked: number;
  readonly repeated: number;
}

/**
 * Looks whether documents deleted by the changes with from ≤ offset < to are still gone, and deletes those again that an
 * older write has brought back: Elasticsearch forgets the version of a delete at a restart (delivery.md 6). A document
 * with a version above the delete's is newer and stays.
 *
 * Emits once, when every delete of the range was answered; repeats calls until they are.
 */
export function checkDeletes(
  options: DeleteCheckOptions,
  partition: Partition,
  range: { from: number; to: number },
): Observable<DeleteCheck> {
  if (range.from >= range.to) return from([{ checked: 0, repeated: 0 }]);
  return checkPages(options, partition, range, null, { checked: 0, repeated: 0 });
}

function checkPages(
  options: DeleteCheckOptions,
  partition: Partition,
  range: { from: number; to: number },
  cursor: string | null,
  sum: DeleteCheck,
): Observable<DeleteCheck> {
  const { page: limit, scheduler, store } = options;
  return untilDone(() => store.deletesBetween(partition, { ...range, cursor, limit }), scheduler).pipe(
    concatMap((page) =>
      checkPage(options, page.deletes).pipe(
        concatMap((repeated) => {
          const total = { checked: sum.checked + page.deletes.length, repeated: sum.repeated + repeated };
          return page.cursor === null ? from([total]) : checkPages(options, partition, range, page.cursor, total);
        }),
      ),
    ),
  );
}

/** Emits how many documents of the page had to be deleted again. */
function checkPage(options: DeleteCheckOptions, deletes: readonly KeyVersion[]): Observable<number> {
  const { index, scheduler } = options;
  const byTable = new Map<Table, KeyVersion[]>();
  for (const one of deletes) byTable.set(one.table, [...(byTable.get(one.table) ?? []), one]);
  let repeated = 0;
  const checks = [...byTable].map(([table, some]) => {
    const keys = some.map(({ key }) => key);
    return untilDone(() => index.versions(table, keys), scheduler).pipe(
      concatMap((versions) => {
        const back = some.filter((one, i) => isBelow(versions[i] ?? null, one.version));
        repeated += back.length;
        return back.length === 0 ? EMPTY : deleteAgain(options, back);
      }),
    );
  });
  return concat(
    ...checks,
    defer(() => from([repeated])),
  ).pipe(
    last(),
    map(() => repeated),
  );
}

function isBelow(found: number | null, version: number): boolean {
  return found !== null && found < version;
}

/** Sends the deletes with their own versions until the index has taken each or holds something newer. */
function deleteAgain({ index, scheduler }: DeleteCheckOptions, deletes: readonly KeyVersion[]): Observable<never> {
  const writes = deletes.map(({ table, key, version }) => ({ table, key, version, document: null }));
  return untilDone(
    () =>
      from(index.write(writes)).pipe(
        last(),
        map((outcomes) => {
          const open = outcomes.filter(({ kind }) => kind !== 'done').length;
          if (open > 0) throw new Error(`${open} deletes were not taken`);
        }),
      ),
    scheduler,
  ).pipe(concatMap(() => EMPTY));
}
