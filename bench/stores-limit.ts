import { Redis } from 'ioredis';
import { createPool, type PoolConnection } from 'mysql2/promise';
import { mysqlStore } from '../src/sinks/mysql-store.ts';
import { SET_IF_NEWER } from '../src/sinks/redis-buffer-scripts.ts';
import { BufferUnderTest } from './buffer-under-test.ts';
import { defaultFormat } from './default-format.ts';
import { JournalUnderTest } from './journal-under-test.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import { KeptValues } from './record-feed.ts';
import type { Places, RunNotes, Scenario } from './scenario.ts';
import { type Append, type ReadyCalls, readyCalls } from './store-calls.ts';

/** What the adapters use by default. */
const CONNECTIONS = 4;
const EXPIRY_MS = 300_000;
const ISOLATION = 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED';

/** The script as a command; the first argument is the number of keys. */
interface Script {
  setIfNewer(...args: [number, ...(string | number)[]]): Promise<number>;
}

/**
 * The reference beside `buffered`: rows that are ready in memory, in the script calls and statements of the adapters, by bare
 * clients in a plain loop. A slice is one script call, and what has been stored meanwhile goes into the journal together,
 * partitions side by side. `buffered` gathers what waits for Redis as well, so of skewed keys it stores fewer rows.
 */
export function storesLimit({ redis, mariadb }: Required<Pick<Places, 'redis' | 'mariadb'>>): Scenario {
  const kept = new KeptValues();
  const shown = new BufferUnderTest(redis.url);
  const journal = new JournalUnderTest(mariadb);
  return {
    async open(load: Load): Promise<void> {
      kept.keep(load);
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      // Made for this run alone: those of other loads would be hundreds of MiB that each collection of garbage goes through.
      const calls = await readyCalls(kept.values(load));
      globalThis.gc?.();
      await shown.empty();
      await journal.empty();
      await makeSchema(journal.url);
      const client = new Redis(redis.url, { scripts: { setIfNewer: { lua: SET_IF_NEWER.lua } } }) as Redis & Script;
      const database = createPool({ uri: journal.url, connectionLimit: CONNECTIONS });
      // As the adapter has it, or partitions that are written side by side would meet in deadlocks.
      database.on('connection', (connection) => void connection.query(ISOLATION));
      try {
        await client.ping();
        meter.start();
        await makeCalls(calls, client, withConnection);
        meter.stop();
      } finally {
        await client.quit();
        await database.end();
      }
      await shown.check(load);
      await journal.check(load);
      return { indexWrites: null, notes: {} };

      async function withConnection(append: Append): Promise<void> {
        const connection = await database.getConnection();
        try {
          await run(connection, append);
        } finally {
          connection.release();
        }
      }
    },
    async close() {
      await shown.close();
    },
  };
}

async function makeCalls(
  { scripts, appendsOf }: ReadyCalls,
  client: Script,
  append: (one: Append) => Promise<void>,
): Promise<void> {
  const stored: number[] = [];
  let journaling: Promise<void> | null = null;
  const journalAll = async (): Promise<void> => {
    while (stored.length > 0) await Promise.all(appendsOf(stored).map(append));
    journaling = null;
  };
  for (const [slice, calls] of scripts.entries()) {
    await Promise.all(
      calls.map(({ keys, values }) => client.setIfNewer(keys.length, ...keys, ...values, String(EXPIRY_MS))),
    );
    stored.push(slice);
    journaling ??= journalAll();
  }
  await journaling;
}

/** One statement alone, several in one transaction. */
async function run(connection: PoolConnection, append: Append): Promise<void> {
  const [only] = append;
  if (append.length === 1 && only !== undefined) {
    await connection.execute(only.sql, only.values);
    return;
  }
  await connection.query('START TRANSACTION');
  for (const { sql, values } of append) await connection.execute(sql, values);
  await connection.query('COMMIT');
}

async function makeSchema(url: string): Promise<void> {
  const store = mysqlStore({ url, lookup: defaultFormat(1).lookup });
  await store.open();
  await store.close();
}
