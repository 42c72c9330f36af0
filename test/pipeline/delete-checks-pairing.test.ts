import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastValueFrom, of, VirtualTimeScheduler } from 'rxjs';
import { checkDeletes } from '../../src/pipeline/delete-checks.ts';
import type { IndexWrite } from '../../src/pipeline/ports.ts';
import { newTable } from '../conformance/store-samples.ts';

test('a delete that came from a topic its table is not paired with is not carried out by a check', async () => {
  const [own, stray] = [newTable(), newTable()];
  const writes: IndexWrite[] = [];
  const check = checkDeletes(
    {
      store: {
        deletesBetween: () => {
          const deletes = [own, stray].map((table) => ({ table, key: 'k', version: 9 }));
          return of({ deletes, cursor: null });
        },
      },
      index: {
        versions: () => of([4]),
        write: (some) => {
          writes.push(...some);
          return of(some.map(() => ({ kind: 'done', conflict: false }) as const));
        },
      },
      refusalOf: (table, topic) => of(table === stray && topic === 'shop' ? 'paired-with-topic-other' : null),
      page: 10,
      scheduler: new VirtualTimeScheduler(),
    },
    { topic: 'shop', partition: 0 },
    { from: 0, to: 10 },
  );
  assert.equal((await lastValueFrom(check)).repeated, 1);
  assert.deepEqual(
    writes.map(({ table }) => table),
    [own],
  );
});
