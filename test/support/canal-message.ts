/** A table as Canal describes it in each message. */
export interface TestTable {
  readonly database: string;
  readonly table: string;
  readonly mysqlType: Readonly<Record<string, string>>;
  readonly pkNames: readonly string[];
}

type Row = Readonly<Record<string, string | null>>;

/** A table for load: key, a version that grows, some text. */
export const ORDERS: TestTable = {
  database: 'shop',
  table: 'orders',
  mysqlType: { id: 'bigint(20)', version: 'bigint(20)', status: 'tinyint(4)', note: 'varchar(512)' },
  pkNames: ['id'],
};

let batchId = 0;

/** One Canal flat message, as the broker holds it: all 14 fields, alphabetical. */
export function canalMessage(
  { database, table, mysqlType, pkNames }: TestTable,
  type: 'INSERT' | 'UPDATE' | 'DELETE',
  data: readonly Row[],
  old: readonly Row[] | null = null,
): string {
  batchId += 1;
  const es = 1_767_600_000_000;
  return JSON.stringify({
    data,
    database,
    es,
    gtid: '',
    id: batchId,
    isDdl: false,
    mysqlType,
    old: type === 'UPDATE' ? (old ?? data.map(() => ({}))) : null,
    pkNames,
    sql: '',
    sqlType: Object.fromEntries(Object.keys(mysqlType).map((column) => [column, 12])),
    table,
    ts: es + batchId,
    type,
  });
}

/** The row of `ORDERS` with this key at this version; `noteBytes` of text make it as wide as wanted. */
export function orderRow(id: number, version: number, noteBytes = 40): Row {
  const note = `order ${id} at version ${version} `.padEnd(noteBytes, 'x');
  return { id: String(id), version: String(version), status: String(version % 7), note };
}
