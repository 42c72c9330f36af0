import { Redis } from 'ioredis';
import { versionOf } from '../src/pipeline/change.ts';
import { bufferKey } from '../src/sinks/buffer-key.ts';
import type { LoadSummary } from './load.ts';
import { DATABASE, TABLE } from './order-row.ts';

const PAGE = 1000;

/** A Redis of the bench's own, looked at from beside. */
export class BufferUnderTest {
  private readonly client: Redis;

  constructor(url: string) {
    this.client = new Redis(url, { maxRetriesPerRequest: 1 });
    this.client.on('error', () => undefined); // the call that fails says so itself
  }

  async empty(): Promise<void> {
    await this.client.flushall();
  }

  /** Rejects unless it holds the last version of every key of the load, and no other key. */
  async check(load: LoadSummary): Promise<void> {
    const size = await this.client.dbsize();
    if (size !== load.last.size) throw new Error(`Redis holds ${size} keys, not ${load.last.size}`);
    const table = { database: DATABASE, name: TABLE, qualified: `${DATABASE}.${TABLE}`, index: '', mapping: null };
    const expected = [...load.last];
    for (let from = 0; from < expected.length; from += PAGE) {
      const page = expected.slice(from, from + PAGE);
      const values = await this.client.mget(page.map(([key]) => bufferKey(table, String(key), null)));
      for (const [at, [key, { offset }]] of page.entries()) {
        const { version } = JSON.parse(values[at] ?? '{}') as { version?: number };
        const wanted = versionOf(0, offset);
        if (version !== wanted) throw new Error(`Redis shows key ${key} at version ${version}, not ${wanted}`);
      }
    }
  }

  async close(): Promise<void> {
    await this.client.quit();
  }
}
