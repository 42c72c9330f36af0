import { canalPartition } from '../src/formats/canal-partition.ts';
import { Draw, type DrawShape } from './draw.ts';
import { CHANGED_COLUMNS, DATABASE, MYSQL_TYPE, type OrderRow, orderRow, SQL_TYPE, TABLE } from './order-row.ts';

/** What a load is made from. Equal shapes make equal bytes. */
export interface LoadShape extends DrawShape {
  readonly name: string;
  /** Row changes in total. */
  readonly rows: number;
  readonly rowsPerMessage: number;
  readonly partitions: number;
}

/** Where the last change of a row is: what the index has to hold in the end. */
export interface LastChange {
  /** The number of the change, which is also the row's column `version`. */
  readonly number: number;
  readonly partition: number;
  readonly offset: number;
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
  /** By key. */
  readonly last: ReadonlyMap<number, LastChange>;
}

export interface Load {
  readonly summary: LoadSummary;
  /** Values of the records of each partition, in offset order. Slices of large buffers, as a fetch leaves them. */
  readonly partitions: readonly (readonly Buffer[])[];
}

/** Milliseconds between changes would add nothing here; Canal's stamps only have to be numbers of the right length. */
const STAMP_MS = Date.UTC(2026, 0, 5, 8);

/**
 * Canal flat messages of one table: inserts of unique keys, or updates (with `old`) of keys drawn by Zipf's law. Rows go
 * to the partition that Canal's key hash names; several rows share a record only within their partition.
 */
export function makeLoad(shape: LoadShape): Load {
  const draw = new Draw(shape);
  const partitions = Array.from({ length: shape.partitions }, (): Buffer[] => []);
  const packer = new Packer();
  const last = new Map<number, LastChange>();
  let records = 0;
  let versionSum = 0;
  const open = partitions.map((): Gathered => ({ rows: [], old: [] }));
  const close = (partition: number): void => {
    const gathered = open[partition] as Gathered;
    if (gathered.rows.length === 0) return;
    records += 1;
    partitions[partition]?.push(packer.pack(messageText(gathered, Math.ceil(records / 2000))));
    open[partition] = { rows: [], old: [] };
  };
  for (let number = 1; number <= shape.rows; number += 1) {
    const key = draw.next();
    const row = orderRow(key, number);
    const partition = canalPartition(DATABASE, ['id'], row, null, shape.partitions);
    const gathered = open[partition] as Gathered;
    if (shape.skew > 0) gathered.old.push(changedColumns(orderRow(key, last.get(key)?.number ?? 0), row));
    gathered.rows.push(row);
    const offset = partitions[partition]?.length ?? 0;
    last.set(key, { number, partition, offset });
    versionSum += offset + 1;
    if (gathered.rows.length >= shape.rowsPerMessage) close(partition);
  }
  for (let partition = 0; partition < shape.partitions; partition += 1) close(partition);
  const ends = partitions.map((values) => values.length);
  return { summary: { shape, ends, records, bytes: packer.bytes, versionSum, last }, partitions };
}

interface Gathered {
  rows: OrderRow[];
  old: Partial<OrderRow>[];
}

function messageText({ rows, old }: Gathered, id: number): string {
  const es = STAMP_MS + Math.floor(Number(rows.at(-1)?.version) / 500) * 1000;
  const isUpdate = old.length > 0;
  return JSON.stringify({
    data: rows,
    database: DATABASE,
    es,
    gtid: '',
    id,
    isDdl: false,
    mysqlType: MYSQL_TYPE,
    old: isUpdate ? old : null,
    pkNames: ['id'],
    sql: '',
    sqlType: SQL_TYPE,
    table: TABLE,
    ts: es + 350,
    type: isUpdate ? 'UPDATE' : 'INSERT',
  });
}

function changedColumns(before: OrderRow, after: OrderRow): Partial<OrderRow> {
  return Object.fromEntries(
    CHANGED_COLUMNS.filter((column) => before[column] !== after[column]).map((column) => [column, before[column]]),
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
