import { canalPartition } from '../src/formats/canal-partition.ts';
import { Draw, type DrawShape } from './draw.ts';
import { CHANGED_COLUMNS, DATABASE, MYSQL_TYPE, SQL_TYPE, tableNames, widened, wideRow } from './order-row.ts';
import { PackedLastChanges } from './packed-last-changes.ts';

/** What a load is made from. Equal shapes make equal bytes. */
export interface LoadShape extends DrawShape {
  readonly name: string;
  /** Row changes in total. */
  readonly rows: number;
  readonly rowsPerMessage: number;
  readonly partitions: number;
  /** Tables that share the keys, 1 by default; each key is in one of them. */
  readonly tables?: number;
  /** How many times over a table has its columns, once by default. */
  readonly width?: number;
}

/** Where the last change of a row is: what the index has to hold in the end. */
export interface LastChange {
  /** The number of the change, which is also the row's column `version`. */
  readonly number: number;
  readonly partition: number;
  readonly offset: number;
}

/** The last change of each key of a load, by key. A map is one as well. */
export interface LastChanges extends Iterable<readonly [number, LastChange]> {
  readonly size: number;
}

/** What is known of a load without its bytes: enough to check what came of it. */
export interface LoadSummary {
  readonly shape: LoadShape;
  /** Number of records of each partition; offsets begin at 0. */
  readonly ends: readonly number[];
  readonly records: number;
  readonly bytes: number;
  /** Sum of the versions of all changes, for a topic that holds nothing else: what the journal has to add up to. */
  readonly versionSum: number;
  readonly last: LastChanges;
}

export interface Load {
  readonly summary: LoadSummary;
  /**
   * Values of the records of each partition, in offset order: slices of large buffers, as a fetch leaves them. None at all
   * when the load was made by another process.
   */
  readonly partitions: readonly (readonly Buffer[])[];
}

/** Milliseconds between changes would add nothing here; Canal's stamps only have to be numbers of the right length. */
const STAMP_MS = Date.UTC(2026, 0, 5, 8);

type Row = Readonly<Record<string, string>>;

/**
 * Canal flat messages: inserts of unique keys, or updates (with `old`) of keys drawn by Zipf's law. Rows go to the
 * partition that Canal's key hash names; several rows share a record only within their partition and table.
 */
export function makeLoad(shape: LoadShape): Load {
  const { tables = 1, width = 1 } = shape;
  const draw = new Draw(shape);
  const partitions = Array.from({ length: shape.partitions }, (): Buffer[] => []);
  const packer = new Packer();
  const columns = { mysqlType: widened(MYSQL_TYPE, width), sqlType: widened(SQL_TYPE, width) };
  const changed = Object.keys(widened(Object.fromEntries(CHANGED_COLUMNS.map((name) => [name, true])), width));
  const numbers = new Uint32Array(shape.keys + 1);
  const last = PackedLastChanges.of(shape.keys);
  let records = 0;
  let versionSum = 0;
  const open = partitions.flatMap((_, partition) =>
    tableNames(tables).map((table): Gathered => ({ table, partition, rows: [], old: [] })),
  );
  const close = (gathered: Gathered): void => {
    const { partition, rows } = gathered;
    const values = partitions[partition] as Buffer[];
    const offset = values.length;
    for (const row of rows) last.set(Number(row.id), { number: Number(row.version), partition, offset });
    versionSum += rows.length * (offset + 1);
    records += 1;
    values.push(packer.pack(messageText(gathered, columns, Math.ceil(records / 2000))));
    gathered.rows = [];
    gathered.old = [];
  };
  for (let number = 1; number <= shape.rows; number += 1) {
    const key = draw.next();
    const row = wideRow(key, number, width);
    const partition = canalPartition(DATABASE, ['id'], row, null, shape.partitions);
    const gathered = open[partition * tables + ((key - 1) % tables)] as Gathered;
    if (shape.skew > 0) gathered.old.push(formerValues(wideRow(key, numbers[key] as number, width), row, changed));
    gathered.rows.push(row);
    numbers[key] = number;
    if (gathered.rows.length >= shape.rowsPerMessage) close(gathered);
  }
  for (const gathered of open) if (gathered.rows.length > 0) close(gathered);
  const ends = partitions.map((values) => values.length);
  return { summary: { shape, ends, records, bytes: packer.bytes, versionSum, last }, partitions };
}

/** Rows that will share a record. */
interface Gathered {
  readonly table: string;
  readonly partition: number;
  rows: Row[];
  old: Row[];
}

interface Columns {
  readonly mysqlType: Readonly<Record<string, string>>;
  readonly sqlType: Readonly<Record<string, number>>;
}

function messageText({ table, rows, old }: Gathered, columns: Columns, id: number): string {
  const es = STAMP_MS + Math.floor(Number(rows.at(-1)?.version) / 500) * 1000;
  const isUpdate = old.length > 0;
  return JSON.stringify({
    data: rows,
    database: DATABASE,
    es,
    gtid: '',
    id,
    isDdl: false,
    mysqlType: columns.mysqlType,
    old: isUpdate ? old : null,
    pkNames: ['id'],
    sql: '',
    sqlType: columns.sqlType,
    table,
    ts: es + 350,
    type: isUpdate ? 'UPDATE' : 'INSERT',
  });
}

function formerValues(before: Row, after: Row, changed: readonly string[]): Row {
  return Object.fromEntries(
    changed.filter((column) => before[column] !== after[column]).map((column) => [column, before[column] ?? '']),
  );
}

/** Lays texts one after the other into buffers of a megabyte. */
class Packer {
  bytes = 0;
  private chunk = Buffer.alloc(0);
  private used = 0;

  pack(text: string): Buffer {
    const length = Buffer.byteLength(text);
    if (this.used + length > this.chunk.length) {
      this.chunk = Buffer.allocUnsafeSlow(Math.max(1 << 20, length));
      this.used = 0;
    }
    this.chunk.write(text, this.used);
    const value = this.chunk.subarray(this.used, this.used + length);
    this.used += length;
    this.bytes += length;
    return value;
  }
}
