import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { SluiceError } from '../../src/pipeline/errors.ts';
import type { Store } from '../../src/pipeline/ports.ts';
import { journalConformance } from './store-journal.ts';
import { letterConformance } from './store-letters.ts';
import { parkedConformance } from './store-parked.ts';
import { registryConformance } from './store-registry.ts';
import { answerOf, changeAt, newPartition, newTable, type StorePlace } from './store-samples.ts';

/** What a part of the suite tests with; filled before its first test. */
export interface OpenPlace {
  readonly place: StorePlace;
  readonly store: Store;
}

/** The promises of the port `Store`, tested on an adapter. `newPlace` makes an empty place for its stores. */
export function storeConformance(name: string, newPlace: () => Promise<StorePlace>): void {
  describe(`store ${name}`, () => {
    let place: StorePlace | undefined;
    let store: Store | undefined;
    before(async () => {
      place = await newPlace();
      store = await place.open();
    });
    after(async () => {
      await store?.close();
      await place?.remove();
    });
    const opened = (): OpenPlace => {
      assert.ok(place && store, 'the store did not open');
      return { place, store };
    };

    journalConformance(opened);
    parkedConformance(opened);
    letterConformance(opened);
    registryConformance(opened);

    test('several instances open an empty place at once and share it', async () => {
      const empty = await newPlace();
      const stores = await Promise.all([empty.open(), empty.open(), empty.open(), empty.open()]);
      try {
        const table = newTable();
        const partition = newPartition();
        await Promise.all(
          stores.map((one, index) => answerOf(one.append(partition, [changeAt(table, `k${index}`, index)]))),
        );
        const rows = await empty.queryJournal('SELECT primary_key FROM buffer_backup');
        assert.deepEqual(rows.map((row) => String(row.primary_key)).sort(), ['k0', 'k1', 'k2', 'k3']);
      } finally {
        for (const one of stores) await one.close();
        await empty.remove();
      }
    });

    test('a store opened again finds what was there', async () => {
      const again = await newPlace();
      try {
        const table = newTable();
        const partition = newPartition();
        const first = await again.open();
        await answerOf(first.park([{ ...partition, change: changeAt(table, 'k', 5), firstOffset: 5 }]));
        await first.close();
        const second = await again.open();
        assert.equal(await second.parkedCount(partition), 1);
        await second.close();
      } finally {
        await again.remove();
      }
    });

    test('a closed store rejects with E4001', async () => {
      const closed = await opened().place.open();
      await closed.close();
      await assert.rejects(closed.ping(), (error: SluiceError) => error.code === 'E4001');
      await assert.rejects(
        answerOf(closed.append(newPartition(), [changeAt(newTable(), 'k', 1)])),
        (error: SluiceError) => error.code === 'E4001',
      );
    });

    test('ping resolves', async () => {
      await assert.doesNotReject(opened().store.ping());
    });
  });
}
