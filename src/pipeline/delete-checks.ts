import {
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  last,
  map,
  type Observable,
  of,
  repeat,
  type SchedulerLike,
} from 'rxjs';
import { untilDone } from '../operators/backoff.ts';
import type { Table } from './change.ts';
import type { PairingRefusal } from './pairing.ts';
import type { IndexSink, KeyVersion, Partition, Store } from './ports.ts';

export interface DeleteCheckOptions {
  readonly store: Pick<Store, 'deletesBetween'>;
  readonly index: Pick<IndexSink, 'versions' | 'write'>;
  /** Deletes of a table that must not be written from this topic were never sent, and are none of this check's. Default: none. */
  readonly refusalOf?: PairingRefusal;
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
  if (range.from >= range.to) return of({ checked: 0, repeated: 0 });
  const { page: limit, scheduler, store } = options;
  return defer(() => {
    let cursor: string | null = null;
    let sum: DeleteCheck = { checked: 0, repeated: 0 };
    return untilDone(() => store.deletesBetween(partition, { ...range, cursor, limit }), scheduler).pipe(
      concatMap((page) => {
        cursor = page.cursor;
        return checkPage(options, partition, page.deletes).pipe(
          map((repeated) => {
            sum = { checked: sum.checked + page.deletes.length, repeated: sum.repeated + repeated };
            return sum;
          }),
        );
      }),
      // Not by recursion: thousands of pages would lie inside each other.
      repeat({ delay: () => (cursor === null ? EMPTY : of(0)) }),
      last(),
    );
  });
}

/** Emits how many documents of the page had to be deleted again. */
function checkPage(
  options: DeleteCheckOptions,
  { topic }: Partition,
  deletes: readonly KeyVersion[],
): Observable<number> {
  const { index, refusalOf = () => of(null), scheduler } = options;
  const byTable = new Map<Table, KeyVersion[]>();
  for (const one of deletes) {
    const some = byTable.get(one.table);
    if (some === undefined) byTable.set(one.table, [one]);
    else some.push(one);
  }
  let repeated = 0;
  const checks = [...byTable].map(([table, some]) => {
    const keys = some.map(({ key }) => key);
    return untilDone(() => refusalOf(table, topic), scheduler).pipe(
      concatMap((refusal) => (refusal === null ? untilDone(() => index.versions(table, keys), scheduler) : EMPTY)),
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
