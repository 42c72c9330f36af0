import type { Change } from '../pipeline/change.ts';
import { documentOf } from '../pipeline/json-document.ts';
import { canalPartition } from './canal-partition.ts';
import type { CanalRecord } from './canal-record.ts';
import { documentText, keyOf } from './document.ts';
import type { ParsedChanges } from './parsed-changes.ts';
import { columnValue, hasNamesOf, type PlannedColumn, type Row, type RowPlan } from './row-plan.ts';
import type { TableShape } from './table-shape.ts';

export interface RowsOptions {
  readonly topic: string;
  readonly partition: number;
  readonly maxRows: number;
  /** Partitions over which Canal hashes the keys of this topic; 1 when it does not. */
  readonly hashedPartitions: () => number;
}

/** What all rows of one record share. */
interface Rows {
  readonly record: CanalRecord;
  readonly operation: Change['operation'];
  readonly shape: TableShape;
  readonly out: ParsedChanges;
  readonly options: RowsOptions;
}

/**
 * Reads the rows of an INSERT, UPDATE or DELETE into changes, in order; what cannot be applied is rejected. Returns the
 * plan of the rows when each of them became a change and nothing else.
 */
export function readRows(
  record: CanalRecord,
  shape: TableShape,
  out: ParsedChanges,
  options: RowsOptions,
): RowPlan | null {
  const { table } = shape.route;
  const { data } = record;
  if (data === null) {
    out.rejectRecord('statement-format', 'the change came as SQL text: set binlog_format=ROW', table);
    return null;
  }
  if (data.length === 0) {
    out.skip('empty');
    return null;
  }
  if (data.length > options.maxRows) {
    out.rejectRecord('too-many-rows', `${data.length} rows, the limit is ${options.maxRows}`, table);
    return null;
  }
  const rows: Rows = { record, operation: record.type as Change['operation'], shape, out, options };
  const plan = shape.planOf(Object.keys(data[0] as Row), record);
  const old = record.type === 'UPDATE' ? pairedOld(rows, plan) : null;
  if (old === 'unpaired') return null;
  if (record.isDamaged) {
    out.notice(
      'damaged-text',
      table.qualified,
      'text that is no UTF-8 in the binlog arrives as U+FFFD: Canal cannot read it',
    );
  }
  let current: RowPlan | null = null;
  for (let at = 0; at < data.length; at += 1) {
    const row = data[at] as Row;
    const names = Object.keys(row);
    const rowPlan = hasNamesOf(plan, names) ? plan : shape.planOf(names, record);
    if (rowPlan.keys === null) rejectKeyless(rows, rowPlan);
    else {
      if (rowPlan !== current && shape.isKeyNew(rowPlan.keys)) noticeNewKey(rows, rowPlan.keys);
      current = rowPlan;
      readRow(rows, rowPlan, rowPlan.keys, row, old?.[at] ?? null);
    }
  }
  return current === plan && out.isPlain(data.length) ? plan : null;
}

/** `old` when it lines up with `data`. Canal up to 1.1.6 left unchanged rows out of it: then nobody knows whose it is. */
function pairedOld({ out, record, shape }: Rows, plan: RowPlan): CanalRecord['old'] | 'unpaired' {
  const { data, old } = record;
  if (old === null || old.length === data?.length) return old;
  const keys = plan.keys ?? [];
  if (!old.some((row) => row !== null && hasAny(row, keys))) return null;
  out.rejectRecord(
    'unpaired-old',
    'a key changed, and old does not line up with data: use Canal 1.1.7 or later',
    shape.route.table,
  );
  return 'unpaired';
}

function hasAny(row: Row, columns: readonly PlannedColumn[]): boolean {
  for (const { name } of columns) if (columnValue(row, name) !== undefined) return true;
  return false;
}

function readRow(rows: Rows, plan: RowPlan, keys: readonly PlannedColumn[], row: Row, old: Row | null) {
  const { operation, out, shape } = rows;
  const { table } = shape.route;
  const key = keyOf(keys, row, null);
  if (typeof key !== 'string') return rejectKey(rows, key.reason, key.column);
  if (operation === 'DELETE') {
    return out.change({ table, key, op: 'delete', operation, document: documentOf(documentText(plan, row, null, [])) });
  }
  if (old !== null && hasAny(old, keys)) leaveOldKey(rows, plan, keys, row, old, key);
  const misfits: PlannedColumn[] = [];
  const text = documentText(plan, row, null, misfits);
  const missing = shape.missingFrom(plan, operation === 'INSERT');
  const bad = { table, key, op: 'upsert' as const, text };
  if (missing.length > 0) {
    const detail = `the row lacks ${listed(missing)}: set binlog_row_image=FULL and no field filter`;
    if (operation === 'UPDATE') return out.rejectRow({ ...bad, reason: 'incomplete-row', detail });
    // A new row has nothing to lose, but what the server filled in by default is not in its document.
    out.notice('incomplete-insert', table.qualified, detail);
  }
  if (misfits.length > 0) return out.rejectRow({ ...bad, ...mismatch(plan, misfits) });
  out.change({ table, key, op: 'upsert', operation, document: documentOf(text) });
}

/** An UPDATE that changed the key removes the document of the former one, before the new one is written. */
function leaveOldKey(
  { operation, options, out, record, shape }: Rows,
  plan: RowPlan,
  keys: readonly PlannedColumn[],
  row: Row,
  old: Row,
  key: string,
) {
  const oldKey = keyOf(keys, row, old);
  // A former key that is no key never had a document: it was rejected when it came.
  if (typeof oldKey !== 'string' || oldKey === key) return;
  const { table } = shape.route;
  const text = documentText(plan, row, old, []);
  const partitions = record.pkNames === null ? 1 : options.hashedPartitions();
  if (
    partitions > 1 &&
    canalPartition(record.database, record.pkNames ?? [], row, old, partitions) !== options.partition
  ) {
    const detail = 'the former key belongs to another partition, so its removal has no order there: remove it by hand';
    return out.rejectRow({ table, key: oldKey, op: 'delete', reason: 'unordered-key-change', detail, text });
  }
  out.change({ table, key: oldKey, op: 'delete', operation, document: documentOf(text) });
}

function rejectKeyless({ operation, out, shape }: Rows, plan: RowPlan) {
  const { table } = shape.route;
  if (plan.missingKey !== null) {
    const detail = `the row lacks key column ${quoted(plan.missingKey)}`;
    return out.rejectRecord('incomplete-row', detail, table);
  }
  if (operation === 'UPDATE' && shape.hasKey) {
    return out.rejectRecord('incomplete-row', 'the row lacks its key: set binlog_row_image=FULL', table);
  }
  out.rejectRecord('no-primary-key', 'the table has no primary key: name keyColumns in its rule', table);
}

function rejectKey({ out, shape }: Rows, reason: string, column: string): void {
  const rule =
    reason === 'null-key'
      ? 'is null'
      : reason === 'damaged-key'
        ? 'is no UTF-8 text'
        : 'does not hold what its type says';
  out.rejectRecord(reason, `key column ${quoted(column)} ${rule}`, shape.route.table);
}

function mismatch(plan: RowPlan, misfits: readonly PlannedColumn[]): { reason: string; detail: string } {
  const json = misfits.find(({ codec }) => codec.type.base === 'json');
  if (json) {
    const detail = `column ${quoted(json.name)} holds a function call: set binlog_row_value_options=''`;
    return { reason: 'partial-json', detail };
  }
  const columns = misfits.map(
    ({ name }) => `${name} (${String(columnValue(plan.shape.mysqlType, name) ?? 'no type')})`,
  );
  return { reason: 'value-mismatch', detail: `what these columns hold is not of their type: ${listed(columns)}` };
}

function noticeNewKey({ out, shape }: Rows, keys: readonly PlannedColumn[]): void {
  const detail = `ids are now made of ${listed(keys.map(({ name }) => name))}; documents under former ids stay`;
  out.notice('key-columns-changed', shape.route.table.qualified, detail);
}

/** At most five names, each in one line of at most 64 characters: names come from messages. */
function listed(names: readonly string[]): string {
  const some = names.slice(0, 5).map(quoted).join(', ');
  return names.length > 5 ? `${some} and ${names.length - 5} more` : some;
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 64)).replaceAll(/[^\x20-\x7e\p{L}\p{N}]/gu, '?');
}
