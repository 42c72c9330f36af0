import { Redis } from 'ioredis';
import { versionOf } from '../src/pipeline/change.ts';
import { bufferKey } from '../src/sinks/buffer-key.ts';
import type { LoadSummary } from './load.ts';
import { DATABASE, tableOfKey } from './order-row.ts';

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
    const nameOf = (key: number): string => {
      const name = tableOfKey(key, load.shape.tables);
      const table = { database: DATABASE, name, qualified: `${DATABASE}.${name}`, index: '', mapping: null };
      return bufferKey(table, String(key), null);
    };
    const expected = [...load.last];
    for (let from = 0; from < expected.length; from += PAGE) {
      const page = expected.slice(from, from + PAGE);
      const values = await this.client.mget(page.map(([key]) => nameOf(key)));
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
