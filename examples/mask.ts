// Replaces a column by a keyed hash before anything is stored: people can still be counted and joined, not read.
// Run it: MASK_SECRET=… node examples/mask.ts
import { createHmac } from 'node:crypto';
import { merge } from 'rxjs';
import {
  backUp,
  bulkIndex,
  type Change,
  type Compose,
  filterChanges,
  latestPerKey,
  mapChanges,
  parseChanges,
  settle,
  upsertBuffer,
} from '../src/index.ts';
import { columnsOf, documentFrom } from './rows.ts';
import { printSettled, runExample } from './run-example.ts';

const MASK = 'masked:';

/** The change with `shop.customers.email` masked; masking twice changes nothing. Deletes hold the old row, so they too. */
export function withoutEmail(change: Change, secret: string): Change {
  if (change.table.qualified !== 'shop.customers') return change;
  const row = columnsOf(change.document);
  if (typeof row.email !== 'string' || row.email.startsWith(MASK)) return change;
  const email = MASK + createHmac('sha256', secret).update(row.email).digest('hex').slice(0, 32);
  return { ...change, document: documentFrom({ ...row, email }) };
}

/**
 * Masks ahead of buffer and journal, so that neither holds an address, and leaves the stock table out. Dead letters of
 * records that could not be parsed still hold the record as it came: guard the store accordingly.
 */
export function masked(secret: string): Compose {
  const mask = mapChanges((change) => withoutEmail(change, secret));
  // By table, which never changes in a row's life: a row that passed once must always pass.
  const wanted = filterChanges(({ table }) => table.qualified !== 'shop.stock');
  return ({ records, recovered }, stages) =>
    merge(
      recovered.pipe(mask, upsertBuffer(stages.buffer)),
      records.pipe(parseChanges(stages.parse), wanted, mask, upsertBuffer(stages.buffer), backUp(stages.journal)),
    ).pipe(latestPerKey(stages.window), bulkIndex(stages.index), settle(stages.settle));
}

if (import.meta.main) {
  printSettled(await runExample(() => masked(process.env.MASK_SECRET ?? 'only for trying'), { out: 'out/mask' }));
}
