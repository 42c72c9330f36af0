// Adds a column that the table does not have: the name of an order's status. Run it: node examples/enrich.ts
import { merge } from 'rxjs';
import {
  backUp,
  bulkIndex,
  type Change,
  type Compose,
  latestPerKey,
  mapChanges,
  parseChanges,
  settle,
  tapChanges,
  upsertBuffer,
} from '../src/index.ts';
import { columnsOf, documentFrom } from './rows.ts';
import { printSettled, runExample } from './run-example.ts';

const STATUS_NAMES: readonly string[] = ['new', 'paid', 'shipped', 'delivered'];

function nameOf(status: unknown): string | null {
  return typeof status === 'number' ? (STATUS_NAMES[status] ?? null) : null;
}

/** A pure function of the change: it runs again on every replay and must give the same document. */
export function withStatusName(change: Change): Change {
  if (change.table.qualified !== 'shop.orders' || change.op === 'delete') return change;
  const row = columnsOf(change.document);
  return { ...change, document: documentFrom({ ...row, status_name: nameOf(row.status) }) };
}

/** `observe` hears how many changes each batch held, by operation, before they are folded. */
export function enriched(observe: (operations: ReadonlyMap<string, number>) => void = () => undefined): Compose {
  const enrich = mapChanges(withStatusName);
  const count = tapChanges((changes) => {
    const operations = new Map<string, number>();
    for (const { operation } of changes) operations.set(operation, (operations.get(operation) ?? 0) + 1);
    observe(operations);
  });
  // Parked keys are stored enriched; letters that somebody sends again may not be. So both ways pass `enrich`.
  return ({ records, recovered }, stages) =>
    merge(
      recovered.pipe(enrich, upsertBuffer(stages.buffer)),
      records.pipe(parseChanges(stages.parse), count, enrich, upsertBuffer(stages.buffer), backUp(stages.journal)),
    ).pipe(latestPerKey(stages.window), bulkIndex(stages.index), settle(stages.settle));
}

if (import.meta.main) printSettled(await runExample(() => enriched(console.log), { out: 'out/enrich' }));
