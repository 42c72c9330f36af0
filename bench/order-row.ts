/** The table of the loads: nine columns, a row of about 300 bytes of JSON, some of it not ASCII. */
export const DATABASE = 'bench';
export const TABLE = 'orders';

/** Names of the tables that share the keys of a load. */
export function tableNames(tables = 1): readonly string[] {
  return tables === 1 ? [TABLE] : Array.from({ length: tables }, (_, index) => `${TABLE}_${index + 1}`);
}

/** Keys are dealt out to the tables in turn, so a key is in one of them only. */
export function tableOfKey(key: number, tables = 1): string {
  return tables === 1 ? TABLE : `${TABLE}_${1 + ((key - 1) % tables)}`;
}

export const MYSQL_TYPE = {
  id: 'bigint(20) unsigned',
  order_no: 'varchar(32)',
  buyer: 'varchar(64)',
  status: 'tinyint(4)',
  amount: 'decimal(12,2)',
  version: 'bigint(20)',
  note: 'varchar(512)',
  created_at: 'datetime',
  updated_at: 'datetime',
} as const;

/** `java.sql.Types`, as Canal sends them. */
export const SQL_TYPE: Readonly<Record<keyof typeof MYSQL_TYPE, number>> = {
  id: -5,
  order_no: 12,
  buyer: 12,
  status: -6,
  amount: 3,
  version: -5,
  note: 12,
  created_at: 93,
  updated_at: 93,
};

/** A row as Canal writes it: every value is text. */
export type OrderRow = Record<keyof typeof MYSQL_TYPE, string>;

/** Columns whose value depends on the version. */
export const CHANGED_COLUMNS = ['status', 'amount', 'version', 'updated_at'] as const;

/** A value for each column of a table that has its columns `width` times over: as they are, then with `_2`, `_3` … behind. */
export function widened<T>(columns: Readonly<Record<string, T>>, width: number): Readonly<Record<string, T>> {
  const copies = Array.from({ length: width }, (_, copy) =>
    Object.entries(columns).map(([name, value]): [string, T] => [columnCopy(name, copy), value]),
  );
  return Object.fromEntries(copies.flat());
}

function columnCopy(name: string, copy: number): string {
  return copy === 0 ? name : `${name}_${copy + 1}`;
}

/** Row numbers of the copies of a row: far enough apart that no two rows share one. */
const COPY_STEP = 10_000_019;

/** `orderRow` of a wide table; every copy of the columns has values of its own. */
export function wideRow(key: number, version: number, width = 1): Readonly<OrderRow & Record<string, string>> {
  const row: OrderRow & Record<string, string> = orderRow(key, version);
  for (let copy = 1; copy < width; copy += 1) {
    for (const [name, value] of Object.entries(orderRow(key + copy * COPY_STEP, version)))
      row[columnCopy(name, copy)] = value;
  }
  return row;
}

const ROW_BYTES = 300;
const START_MS = Date.UTC(2026, 0, 5, 8);
const WORDS =
  'amber basil cedar delta ember fjord grove haven iris juniper kelp lumen maple nectar ochre pebble quartz river sable timber umber vale willow xenon yarrow zephyr 北京 上海 émail naïve'.split(
    ' ',
  );

/** The row with this key at this version: a pure function of the two, so the index can be checked against it. */
export function orderRow(key: number, version: number): OrderRow {
  const ofKey = mixed(key, 11);
  const ofVersion = mixed(key, version);
  const row = {
    id: String(key),
    order_no: `SO-${String(key).padStart(10, '0')}`,
    buyer: `${word(ofKey)} ${word(ofKey >>> 8)}`,
    status: String(ofVersion % 7),
    amount: `${ofVersion % 100_000}.${String((ofVersion >>> 10) % 100).padStart(2, '0')}`,
    version: String(version),
    note: '',
    created_at: dateTime(key),
    updated_at: dateTime(version),
  };
  return { ...row, note: noteOf(ofKey, ROW_BYTES - JSON.stringify(row).length) };
}

function word(number: number): string {
  return WORDS[number % 26] as string;
}

/** Words to exactly so many bytes of UTF-8. */
function noteOf(seed: number, bytes: number): string {
  let text = '';
  let length = 0;
  for (let number = seed; length < bytes; number = mixed(number, 77)) {
    const next = `${WORDS[number % WORDS.length]} `;
    const size = Buffer.byteLength(next);
    text += length + size <= bytes ? next : '-'.repeat(bytes - length);
    length += Math.min(size, bytes - length);
  }
  return text;
}

function dateTime(seconds: number): string {
  return new Date(START_MS + seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
}

function mixed(left: number, right: number): number {
  let hash = Math.imul(left ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(right + 0x7f4a7c15, 0xc2b2ae35);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
