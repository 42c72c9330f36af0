import type { TableRule } from '../pipeline/tables.ts';
import { type ColumnCodec, columnCodec, isTexty } from './column-codec.ts';
import { columnType } from './mysql-types.ts';

/** Values of a row by column as parsed; a column may have any name, `__proto__` included. Read it with `columnValue`. */
export type Row = Readonly<Record<string, unknown>>;

export interface PlannedColumn {
  readonly name: string;
  /** Name in the document; see `fieldNameOf`. */
  readonly field: string;
  /** `"field":`, or null for a column that stays out of the document. */
  readonly prefix: string | null;
  readonly codec: ColumnCodec;
}

/** How to read the rows of one shape: made once per table version, used for every row. */
export interface RowPlan {
  readonly names: readonly string[];
  readonly columns: readonly PlannedColumn[];
  /** Columns that make the document id, in order; null when the row has no key. */
  readonly keys: readonly PlannedColumn[] | null;
  /** A key column that the row does not have, or null. */
  readonly missingKey: string | null;
  readonly shape: RowShape;
}

/** What decides about a plan. */
export interface RowShape {
  readonly mysqlType: Row | null;
  readonly sqlType: Row | null;
  readonly pkNames: readonly string[] | null;
}

const SHOWN_AS_BYTES = 2004;
/** Fields that Elasticsearch keeps for itself; a document that holds one of them is refused. */
const METADATA_FIELDS = new Set(
  ['data_stream_timestamp', 'doc_count', 'feature', 'field_names', 'id', 'ignored', 'ignored_source', 'index']
    .concat(['inference_fields', 'nested_path', 'routing', 'routing_hash', 'seq_no', 'size', 'source', 'tier'])
    .concat(['primary_term', 'tsid', 'type', 'version'])
    .map((name) => `_${name}`),
);

/** Plans the rows of a shape: one codec per column, key columns in the order of the rule, else of the table. */
export function rowPlan(names: readonly string[], shape: RowShape, rule: TableRule): RowPlan {
  const columns = names.map((name) => plannedColumn(name, shape, rule));
  const wanted = rule.keyColumns ?? (shape.pkNames?.length ? inTableOrder(shape.pkNames, names) : null);
  const keys = wanted?.map((name) => columns[names.indexOf(name)]);
  const missing = keys ? keys.indexOf(undefined) : -1;
  return {
    names,
    columns,
    keys: keys && missing < 0 ? (keys as PlannedColumn[]) : null,
    missingKey: missing < 0 ? null : (wanted?.[missing] ?? null),
    shape,
  };
}

/** True when rows with these columns and this shape can be read by the plan. */
export function isPlanOf(plan: RowPlan, names: readonly string[], shape: RowShape): boolean {
  const { columns } = plan;
  if (names.length !== columns.length || !sameNames(plan.shape.pkNames, shape.pkNames)) return false;
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at] as string;
    if (plan.names[at] !== name || columnValue(plan.shape.mysqlType, name) !== columnValue(shape.mysqlType, name))
      return false;
    // sqlType varies with the values of the last row; it only decides where text may be shown as bytes.
    const isBytes = columnValue(plan.shape.sqlType, name) === SHOWN_AS_BYTES;
    if (isBytes !== (columnValue(shape.sqlType, name) === SHOWN_AS_BYTES)) {
      if (isTexty((columns[at] as PlannedColumn).codec.type)) return false;
    }
  }
  return true;
}

/** True when a row of the same record has the columns of the plan. */
export function hasNamesOf(plan: RowPlan, names: readonly string[]): boolean {
  if (names.length !== plan.names.length) return false;
  for (let at = 0; at < names.length; at += 1) if (names[at] !== plan.names[at]) return false;
  return true;
}

/** The row's own value of a column: null is SQL NULL, undefined is no such column. Never what objects inherit. */
export function columnValue(row: Row | null, name: string): unknown {
  if (row === null) return undefined;
  const value = row[name];
  // Parsed JSON holds no functions; `__proto__` answers with an object that is not the row's own.
  return typeof value === 'function' || (value === Object.prototype && name === '__proto__') ? undefined : value;
}

/**
 * Name of a column in the document. Most stay; one that Elasticsearch would refuse or read as a path is escaped with `%`
 * and hex: `a.b` → `a%2Eb`, `_id` → `%5Fid`, an empty name → `%00`. Distinct names stay distinct.
 */
export function fieldNameOf(name: string): string {
  if (name === '') return '%00';
  const escaped = name.replaceAll(/%(?=[0-9A-F]{2})/g, '%25').replaceAll('.', '%2E');
  if (METADATA_FIELDS.has(name)) return escaped.replace('_', '%5F');
  return /^\s+$/.test(escaped) ? `%20${escaped.slice(1)}` : escaped;
}

function plannedColumn(name: string, shape: RowShape, rule: TableRule): PlannedColumn {
  const text = columnValue(shape.mysqlType, name);
  const codec = columnCodec(columnType(typeof text === 'string' ? text : ''), {
    decimals: rule.decimals,
    booleans: rule.booleans,
    canalZone: rule.canalZone,
    isShownAsBytes: columnValue(shape.sqlType, name) === SHOWN_AS_BYTES,
  });
  const isInDocument = (rule.include?.has(name) ?? true) && !rule.exclude?.has(name);
  const field = fieldNameOf(name);
  return { name, field, prefix: isInDocument ? `${JSON.stringify(field)}:` : null, codec };
}

/** Canal lists key columns in table order; a writer that does not must not change the id of a row. */
function inTableOrder(pkNames: readonly string[], names: readonly string[]): readonly string[] {
  return pkNames.toSorted((left, right) => names.indexOf(left) - names.indexOf(right));
}

function sameNames(left: readonly string[] | null, right: readonly string[] | null): boolean {
  if (left === null || right === null) return left === right;
  return left.length === right.length && left.every((name, at) => name === right[at]);
}
