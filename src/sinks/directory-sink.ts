import { access, constants, mkdir, readdir } from 'node:fs/promises';
import type { Table } from '../pipeline/change.ts';
import { SluiceError } from '../pipeline/errors.ts';
import type { IndexSink, IndexWrite, Outcome } from '../pipeline/ports.ts';
import { DirectoryIndex, type DirectoryUsage } from './directory-index.ts';
import { isPlainIndexName } from './index-name.ts';

export { readDirectoryIndex } from './read-directory-index.ts';

export interface DirectorySinkOptions {
  /** The directory; created when missing. For one process at a time. */
  readonly path: string;
  /** Most bytes of memory for documents, deletes and keys of all indices. Above it documents are held. 256 MiB by default, 1 GiB at most. */
  readonly maxBytes?: number;
}

const LOG = '.log';

/**
 * An index without a server, for demos, tests and small data: `<index>.ndjson` has one line a document, sorted by `_id`
 * bytewise, and is rewritten whole at `close` and now and then. Follows the version rules of Elasticsearch and, unlike
 * it, never forgets the version of a delete (`<index>.tombstones`). Holds all rows in memory, up to `maxBytes`.
 *
 * Delivery: `done` is durable: each write is appended to `<index>.log` and synced first, and read back at the next start.
 *
 * @throws RangeError when `maxBytes` is out of range.
 */
export function directorySink(options: DirectorySinkOptions): IndexSink {
  const { path, maxBytes = 256 * 1024 * 1024 } = options;
  if (!(maxBytes > 0 && maxBytes <= 2 ** 30))
    throw new RangeError(`maxBytes must be above 0 and at most 2^30, got ${maxBytes}`);
  const usage: DirectoryUsage = { bytes: 0, maxBytes };
  const indices = new Map<string, Promise<DirectoryIndex>>();
  let started: Promise<void> | null = null;
  let isClosed = false;

  const openIndex = (name: string): Promise<DirectoryIndex> => {
    let index = indices.get(name);
    if (index === undefined) {
      index = DirectoryIndex.open(path, name, usage);
      indices.set(name, index);
      index.catch(() => indices.delete(name));
    }
    return index;
  };
  /** Takes up logs that a crash left, so that `close` writes their files too. */
  const start = async (): Promise<void> => {
    await mkdir(path, { recursive: true });
    const names = (await readdir(path)).filter((file) => file.endsWith(LOG)).map((file) => file.slice(0, -LOG.length));
    // One that cannot be read fails again when it is written to, and holds no other.
    await Promise.allSettled(names.map(openIndex));
  };
  const indexOf = async (table: Table): Promise<DirectoryIndex> => {
    if (isClosed) throw new SluiceError('E3001', 'The directory index is closed');
    // Room for the longest suffix in a file name of 255 bytes.
    if (!isPlainIndexName(table.index) || Buffer.byteLength(table.index) > 235)
      throw new SluiceError('E3002', 'The index has a name that no file may have', { detail: table.index });
    started ??= start();
    await started.catch((error) => {
      started = null;
      throw error;
    });
    return openIndex(table.index);
  };

  return {
    name: 'directory',
    async write(writes: readonly IndexWrite[]): Promise<readonly Outcome[]> {
      const [first] = writes;
      if (first === undefined) return [];
      let index: DirectoryIndex;
      try {
        index = await indexOf(first.table);
      } catch (error) {
        const errorType = (error as { code?: string }).code ?? 'directory_unfit';
        return writes.map(() => ({ kind: 'hold', scope: 'index', errorType }));
      }
      return index.write(writes);
    },
    async versions(table: Table, keys: readonly string[]): Promise<readonly (number | null)[]> {
      const index = await indexOf(table);
      return keys.map((key) => index.versionOf(key));
    },
    /** Deletes are never forgotten. */
    incarnation: async () => 'directory',
    async ping(): Promise<void> {
      try {
        await mkdir(path, { recursive: true });
        await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
      } catch (error) {
        throw new SluiceError('E3002', 'The directory of the index cannot be written', {
          detail: `${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`,
          remedy: 'Check index.path and its permissions',
        });
      }
    },
    async close(): Promise<void> {
      isClosed = true;
      const opened = [...indices.values()];
      indices.clear();
      await Promise.all(opened.map(async (index) => (await index).close()));
    },
  };
}
