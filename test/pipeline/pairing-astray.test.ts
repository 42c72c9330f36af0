import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastValueFrom, of } from 'rxjs';
import { type Entry, entryOf, standFor } from '../../src/operators/entry.ts';
import type { DedupedBatch } from '../../src/operators/latest-per-key.ts';
import { pairingGuard } from '../../src/pipeline/pairing.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { changeAt, newTable } from '../conformance/store-samples.ts';

const table = newTable();
const guard = pairingGuard({ pair: (index, name) => of({ index, table: name, topic: 'own' }) });
const refusalOf = (entry: Entry): Promise<string | null> =>
  lastValueFrom(guard({ table, entries: [entry] } as unknown as DedupedBatch));

test('a change from a wrong topic is refused though only changes of the right one are waited for', async () => {
  const own = new PartitionLog('own', 0, 0);
  const entry = entryOf(changeAt(table, 'k', 3), own.admit(0, 4, null), 0);
  assert.equal(await refusalOf(entry), null);
  standFor(entry, changeAt(table, 'k', 9), { topic: 'other', partition: 0 });
  assert.equal(await refusalOf(entry), 'paired-with-topic-own');
});
