import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Change } from '../../src/pipeline/change.ts';
import type { RecordFormat } from '../../src/pipeline/ports.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { mysqlStore } from '../../src/sinks/mysql-store.ts';
import type { FreshDeployment } from './fresh-deployment.ts';
import type { LoadRow } from './load-rows.ts';

const PARK_ROWS = 2000;
/** Keys of a page, as recovery reads them. */
const PAGE_ROWS = 4000;

/** Puts the rows into the store as the service parks them: as if the index had been away since the log began. */
export async function park(
  { format, lookup, storeUrl, topic }: FreshDeployment,
  rows: readonly LoadRow[],
): Promise<void> {
  const store = mysqlStore({ url: storeUrl, lookup, timeoutMs: 60_000 });
  await store.open();
  try {
    for (let from = 0; from < rows.length; from += PARK_ROWS) {
      const keys = rows.slice(from, from + PARK_ROWS).map((row) => {
        const { partition, offset } = row;
        return { topic: topic.name, partition, change: changeOf(row, topic.name, format), firstOffset: offset };
      });
      await store.park(keys);
    }
  } finally {
    await store.close();
  }
}

/** Reads every parked key page by page with nothing else to do. Resolves with the time it took, milliseconds. */
export async function selectParked({ storeUrl, topic }: FreshDeployment, rows: readonly LoadRow[]): Promise<number> {
  const connection = await createConnection(storeUrl);
  try {
    const startMs = performance.now();
    let read = 0;
    for (let partition = 0; partition < partitionsOf(rows); partition += 1) {
      let page: { id: number }[];
      let last = 0;
      do {
        [page] = await connection.query<({ id: number } & RowDataPacket)[]>(
          `SELECT * FROM parked_keys WHERE topic = ? AND partition_no = ? AND id > ? ORDER BY id LIMIT ${PAGE_ROWS}`,
          [topic.name, partition, last],
        );
        read += page.length;
        last = page.at(-1)?.id ?? last;
      } while (page.length === PAGE_ROWS);
    }
    const ms = performance.now() - startMs;
    if (read !== rows.length) throw new Error(`${read} keys are parked, not ${rows.length}`);
    return ms;
  } finally {
    await connection.end();
  }
}

function changeOf({ offset, partition, value }: LoadRow, topic: string, format: RecordFormat): Change {
  const log = new PartitionLog(topic, partition, offset);
  const ticket = log.admit(offset, offset + 1, null);
  const records = [{ offset, timestampMs: Date.now(), key: null, value }];
  const { changes } = format.parse({ topic, partition, epoch: 0, records, ticket });
  const [change] = changes;
  if (change === undefined || changes.length > 1) throw new Error('a row of the load is not one change');
  return change;
}

function partitionsOf(rows: readonly LoadRow[]): number {
  return 1 + rows.reduce((most, { partition }) => Math.max(most, partition), 0);
}
