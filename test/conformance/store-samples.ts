import { from, lastValueFrom, type ObservableInput } from 'rxjs';
import { type Change, type Rejection, type Table, versionOf } from '../../src/pipeline/change.ts';
import { documentOf, textOf } from '../../src/pipeline/json-document.ts';
import type { ParkedKey, Partition, Store, TableLookup } from '../../src/pipeline/ports.ts';
import type { SqlRow } from '../../src/sinks/store-sql.ts';

/** A place for stores of one adapter: what they keep there is the same for all of them. */
export interface StorePlace {
  /** One more store on this place, open. */
  open(): Promise<Store>;
  /** Runs a query on the database that holds everything but the journal. */
  query(sql: string): Promise<readonly SqlRow[]>;
  /** Runs a query on every database of the journal and joins the rows. */
  queryJournal(sql: string): Promise<readonly SqlRow[]>;
  remove(): Promise<void>;
}

/** The last answer of a call, whatever kind of ObservableInput it is. */
export function answerOf<T>(input: ObservableInput<T>): Promise<T> {
  return lastValueFrom(from(input), { defaultValue: undefined as T });
}

let lastName = 0;
const tables = new Map<string, Table>();

/** Finds every table that `newTable` made and `forgetTable` did not take back. */
export const lookup: TableLookup = (database, name) => tables.get(`${database}.${name}`) ?? null;

/** A table that no other test uses. The dot is in its name to see that names are not taken apart at dots. */
export function newTable(): Table {
  lastName += 1;
  const name = `t.${lastName}`;
  const qualified = `shop.v1.${name}`;
  const table: Table = { database: 'shop.v1', name, qualified, index: `shop_${lastName}`, mapping: null };
  tables.set(qualified, table);
  return table;
}

export function forgetTable(table: Table): void {
  tables.delete(table.qualified);
}

/** A partition that no other test uses. */
export function newPartition(): Partition {
  lastName += 1;
  return { topic: `topic-${lastName}`, partition: 3 };
}

/** `text`: that of its document. */
export function changeAt(
  table: Table,
  key: string,
  offset: number,
  rest: Partial<Change> & { epoch?: number; text?: string } = {},
): Change {
  const { epoch = 0, text = JSON.stringify({ id: key, at: offset }), ...fields } = rest;
  const op = fields.op ?? 'upsert';
  return {
    table,
    key,
    op,
    operation: op === 'delete' ? 'DELETE' : 'UPDATE',
    document: documentOf(text),
    version: versionOf(epoch, offset),
    offset,
    ordinal: 0,
    timestampMs: 1_900_000_000_000 + offset,
    ...fields,
  };
}

export function parkedAt(partition: Partition, change: Change, firstOffset = change.offset): ParkedKey {
  return { ...partition, change, firstOffset };
}

export function letterAt(partition: Partition, change: Change, rest: Partial<Rejection> = {}): Rejection {
  return {
    reason: 'document-rejected',
    detail: 'document_parsing_exception',
    ...partition,
    offset: change.offset,
    version: change.version,
    table: change.table,
    key: change.key,
    op: change.op,
    body: textOf(change.document),
    ...rest,
  };
}

/** Every parked key of a partition, page by page. */
export async function allParked(
  store: Store,
  partition: Partition,
  page: { limit?: number; maxBytes?: number; nowMs?: number; onlyDue?: boolean } = {},
): Promise<ParkedKey[]> {
  const { limit = 100, maxBytes = 1e9, nowMs = 0, onlyDue = false } = page;
  const found: ParkedKey[] = [];
  let cursor: string | null = null;
  do {
    const answer: { keys: readonly ParkedKey[]; cursor: string | null } = await answerOf(
      store.parked(partition, { cursor, limit, maxBytes, nowMs, onlyDue }),
    );
    found.push(...answer.keys);
    cursor = answer.cursor;
  } while (cursor !== null);
  return found;
}

/** Every delete of a range, page by page, as `key@offset`, in the order of the answer. */
export async function allDeletes(
  store: Store,
  partition: Partition,
  range: { from: number; to: number },
  limit: number,
) {
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const answer: Awaited<ReturnType<typeof deletesPage>> = await deletesPage(store, partition, {
      ...range,
      cursor,
      limit,
    });
    found.push(...answer.deletes.map(({ table, key, version }) => `${table.qualified} ${key}@${version}`));
    cursor = answer.cursor;
  } while (cursor !== null);
  return found;
}

function deletesPage(
  store: Store,
  partition: Partition,
  range: { from: number; to: number; cursor: string | null; limit: number },
) {
  return answerOf(store.deletesBetween(partition, range));
}
