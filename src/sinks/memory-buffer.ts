import type { Change, Table } from '../pipeline/change.ts';
import { sizeOf } from '../pipeline/change.ts';
import type { BufferRecord, ChangeBuffer } from '../pipeline/ports.ts';
import { bufferKey } from './buffer-key.ts';
import { bufferRecordOf } from './buffer-record.ts';

export interface MemoryBufferOptions {
  /** Most bytes held, by `sizeOf`; above it the rows written longest ago leave first. 64 MiB by default. */
  readonly maxBytes?: number;
  /** How long a row is kept after its last change, seconds. 300 by default. */
  readonly expirySeconds?: number;
  /** The clock that expiry goes by; a scheduler of RxJS is one. The system's by default. */
  readonly scheduler?: { now(): number };
}

interface Entry {
  readonly change: Change;
  readonly expiresMs: number;
}

/**
 * The buffer without a server: the same rules as Redis in this process's memory, gone with it.
 *
 * Delivery: none depends on it. Rows leave by expiry and, at the byte bound, before it.
 *
 * @throws RangeError when a number is not above 0.
 */
export function memoryBuffer(options: MemoryBufferOptions = {}): ChangeBuffer {
  const { maxBytes = 64 * 1024 * 1024, expirySeconds = 300, scheduler = Date } = options;
  if (!(maxBytes > 0)) throw new RangeError(`maxBytes must be above 0, got ${maxBytes}`);
  if (!(expirySeconds > 0)) throw new RangeError(`expirySeconds must be above 0, got ${expirySeconds}`);
  // A row moves to the end when it is written, so rows stand in the order in which they expire.
  const rows = new Map<string, Entry>();
  let bytes = 0;

  const forget = (key: string, entry: Entry): void => {
    rows.delete(key);
    bytes -= sizeOf(entry.change);
  };
  const dropExpired = (): void => {
    const nowMs = scheduler.now();
    for (const [key, entry] of rows) {
      if (entry.expiresMs > nowMs) return;
      forget(key, entry);
    }
  };
  const dropOverBound = (): void => {
    for (const [key, entry] of rows) {
      if (bytes <= maxBytes) return;
      forget(key, entry);
    }
  };

  return {
    name: 'memory',
    async upsert(changes: readonly Change[]): Promise<void> {
      dropExpired();
      const expiresMs = scheduler.now() + expirySeconds * 1000;
      for (const change of changes) {
        const key = bufferKey(change.table, change.key, null);
        const stored = rows.get(key);
        if (stored && stored.change.version > change.version) continue;
        if (stored) forget(key, stored);
        rows.set(key, { change, expiresMs });
        bytes += sizeOf(change);
      }
      dropOverBound();
    },
    async remove(keys): Promise<void> {
      dropExpired();
      for (const { table, key: rowKey, version } of keys) {
        const key = bufferKey(table, rowKey, null);
        const stored = rows.get(key);
        if (stored && stored.change.version <= version) forget(key, stored);
      }
    },
    async read(table: Table, key: string): Promise<BufferRecord | null> {
      dropExpired();
      const stored = rows.get(bufferKey(table, key, null));
      return stored ? bufferRecordOf(stored.change) : null;
    },
    async size(): Promise<number> {
      dropExpired();
      return rows.size;
    },
    async ping(): Promise<void> {},
    async close(): Promise<void> {
      rows.clear();
      bytes = 0;
    },
  };
}
