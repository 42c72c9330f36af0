// Writes orders to a second index with fewer columns. Run it: node examples/fan-out.ts
import { type MonoTypeOperatorFunction, map, merge } from 'rxjs';
import {
  backUp,
  bulkIndex,
  type Change,
  type ChangeBatch,
  type Compose,
  latestPerKey,
  mapChanges,
  parseChanges,
  settle,
  type Table,
  type Tables,
  tapChanges,
  upsertBuffer,
} from '../src/index.ts';
import { columnsOf, documentFrom } from './rows.ts';
import { printSettled, runExample } from './run-example.ts';

const FROM = 'shop.orders';
const COLUMNS: readonly string[] = ['id', 'order_no', 'status'];

/**
 * The second index belongs to a table of its own, which no database has. Taken from the pipeline's tables it is known to
 * the store, so that its parked keys and letters find the way back. A configuration with rules needs one that matches it.
 */
export function searchTable(tables: Tables): Table {
  const found = tables.lookup('shop', 'order_search');
  if (found === null || 'refused' in found) throw new Error('no rule of the configuration takes shop.order_search');
  return found.table;
}

/**
 * An operator of one's own keeps the law: one batch in, one batch out, the same ticket, the same order. A change and its
 * copy have the same place in the log, so the ordinals are spread to keep them apart in the journal.
 */
function copyTo(second: Table): MonoTypeOperatorFunction<ChangeBatch> {
  const copied = (change: Change): Change[] => {
    const first = { ...change, ordinal: 2 * change.ordinal };
    return change.table.qualified === FROM ? [first, { ...first, table: second, ordinal: first.ordinal + 1 }] : [first];
  };
  return map((batch) => ({ ...batch, changes: batch.changes.flatMap(copied) }));
}

function narrowed(change: Change, second: Table): Change {
  if (change.table !== second || change.op === 'delete') return change;
  const row = columnsOf(change.document);
  return { ...change, document: documentFrom(Object.fromEntries(COLUMNS.map((name) => [name, row[name] ?? null]))) };
}

/** The copy goes through buffer and journal like any change: deletes of the second index are checked by its rows there. */
export function fannedOut(tables: Tables): Compose {
  const second = searchTable(tables);
  const narrow = mapChanges((change) => narrowed(change, second));
  // The fields of the second index are typed as those of the first.
  const typed = tapChanges((changes) => {
    second.mapping = changes.find(({ table }) => table.qualified === FROM)?.table.mapping ?? second.mapping;
  });
  return ({ records, recovered }, stages) =>
    merge(
      recovered.pipe(narrow, upsertBuffer(stages.buffer)),
      records.pipe(
        parseChanges(stages.parse),
        typed,
        copyTo(second),
        narrow,
        upsertBuffer(stages.buffer),
        backUp(stages.journal),
      ),
    ).pipe(latestPerKey(stages.window), bulkIndex(stages.index), settle(stages.settle));
}

if (import.meta.main) printSettled(await runExample(({ tables }) => fannedOut(tables), { out: 'out/fan-out' }));
