import { type FileHandle, open, rm } from 'node:fs/promises';
import { textOf } from '../pipeline/json-document.ts';
import type { IndexWrite, Outcome } from '../pipeline/ports.ts';
import { filesOf, readIndexFiles, replaceFile, syncDirectory } from './directory-files.ts';
import { type IndexRow, lineOf } from './directory-lines.ts';

/** Bytes held by all indices of a directory. */
export interface DirectoryUsage {
  bytes: number;
  readonly maxBytes: number;
}

const DONE: Outcome = { kind: 'done', conflict: false };
const CONFLICT: Outcome = { kind: 'done', conflict: true };
const MIN_LOG_BYTES = 8 * 1024 * 1024;
/** A log is read back as one string. */
const MAX_LOG_BYTES = 256 * 1024 * 1024;

/**
 * One index of a directory: all rows in memory, a log of what came since the files were written, one write at a time.
 * A write is appended to the log and synced before it is done; `compact` writes the rows to the files and empties the log.
 */
export class DirectoryIndex {
  private readonly directory: string;
  private readonly name: string;
  private readonly usage: DirectoryUsage;
  private readonly rows: Map<string, IndexRow>;
  private readonly log: FileHandle;
  private logBytes: number;
  private compactAtBytes = MIN_LOG_BYTES;
  private last: Promise<unknown> = Promise.resolve();

  static async open(directory: string, name: string, usage: DirectoryUsage): Promise<DirectoryIndex> {
    const { rows, logBytes } = readIndexFiles(directory, name);
    const log = await open(filesOf(directory, name).log, 'a');
    await log.truncate(logBytes);
    await syncDirectory(directory);
    return new DirectoryIndex({ directory, name, usage, rows, log, logBytes });
  }

  private constructor(parts: {
    directory: string;
    name: string;
    usage: DirectoryUsage;
    rows: Map<string, IndexRow>;
    log: FileHandle;
    logBytes: number;
  }) {
    this.directory = parts.directory;
    this.name = parts.name;
    this.usage = parts.usage;
    this.rows = parts.rows;
    this.log = parts.log;
    this.logBytes = parts.logBytes;
    for (const [key, row] of this.rows) this.usage.bytes += bytesOf(key, row);
  }

  versionOf(key: string): number | null {
    const row = this.rows.get(key);
    return row === undefined || row.document === null ? null : row.version;
  }

  write(writes: readonly IndexWrite[]): Promise<readonly Outcome[]> {
    return this.inTurn(async () => {
      const taken = new Map<string, IndexRow>();
      let growth = 0;
      const outcomes = writes.map((write) => {
        const stored = taken.get(write.key) ?? this.rows.get(write.key);
        const row = { version: write.version, document: write.document === null ? null : textOf(write.document) };
        const outcome = this.judge(write.key, row, stored, growth);
        if (outcome !== DONE) return outcome;
        growth += bytesOf(write.key, row) - (stored === undefined ? 0 : bytesOf(write.key, stored));
        taken.set(write.key, row);
        return outcome;
      });
      if (taken.size === 0) return outcomes;
      let lines = '';
      for (const [key, row] of taken) lines += lineOf(key, row);
      try {
        await this.append(Buffer.from(lines));
      } catch (error) {
        const errorType = (error as NodeJS.ErrnoException).code ?? 'write_failed';
        return outcomes.map((outcome) => (outcome === DONE ? { kind: 'hold', scope: 'index', errorType } : outcome));
      }
      for (const [key, row] of taken) this.keep(key, row);
      if (this.logBytes > this.compactAtBytes) await this.compactOrWait();
      return outcomes;
    });
  }

  /** Waits for the write in hand, writes the files and lets go of them. */
  close(): Promise<void> {
    return this.inTurn(async () => {
      try {
        if (this.logBytes > 0) await this.compactNow();
      } finally {
        await this.log.close();
      }
      await rm(filesOf(this.directory, this.name).log, { force: true });
    });
  }

  private judge(key: string, { version, document }: IndexRow, stored: IndexRow | undefined, growth: number): Outcome {
    if (stored !== undefined && stored.version > version) return CONFLICT;
    // Deletes are taken when the directory is full: they are what makes room.
    if (document === null) return DONE;
    if (!isJsonObject(document)) {
      const errorType = 'document_parsing_exception';
      return { kind: 'reject', errorType, detail: errorType };
    }
    const more = bytesOf(key, { version, document }) - (stored === undefined ? 0 : bytesOf(key, stored));
    if (more > 0 && this.usage.bytes + growth + more > this.usage.maxBytes)
      return { kind: 'hold', scope: 'index', errorType: 'directory_full' };
    return DONE;
  }

  private keep(key: string, row: IndexRow): void {
    const stored = this.rows.get(key);
    if (stored !== undefined) this.usage.bytes -= bytesOf(key, stored);
    this.rows.set(key, row);
    this.usage.bytes += bytesOf(key, row);
  }

  private async append(lines: Buffer): Promise<void> {
    try {
      await this.log.appendFile(lines);
      await this.log.datasync();
      this.logBytes += lines.length;
    } catch (error) {
      // Half a line must not stand before the next write's.
      await this.log.truncate(this.logBytes).catch(() => undefined);
      throw error;
    }
  }

  /** The log has everything, so a compaction that fails costs nothing but a later try. */
  private async compactOrWait(): Promise<void> {
    try {
      await this.compactNow();
    } catch {
      this.compactAtBytes = this.logBytes + MIN_LOG_BYTES;
    }
  }

  private async compactNow(): Promise<void> {
    const { documents, tombstones } = filesOf(this.directory, this.name);
    const live: [Buffer, string, IndexRow][] = [];
    const deleted: [string, IndexRow][] = [];
    for (const [key, row] of this.rows) {
      if (row.document === null) deleted.push([key, row]);
      else live.push([Buffer.from(key), key, row]);
    }
    live.sort(([a], [b]) => Buffer.compare(a, b));
    // The log is emptied last: until then it repairs whatever mixture of old and new files a crash leaves.
    if (deleted.length > 0) await replaceFile(tombstones, deleted);
    else await rm(tombstones, { force: true });
    await replaceFile(
      documents,
      live.map(([, key, row]) => [key, row] as const),
    );
    await syncDirectory(this.directory);
    await this.log.truncate(0);
    await this.log.sync();
    this.logBytes = 0;
    // As much again as is held, so that rewriting stays a constant share of writing.
    this.compactAtBytes = Math.min(Math.max(MIN_LOG_BYTES, this.usage.bytes), MAX_LOG_BYTES);
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }
}

function bytesOf(key: string, { document }: IndexRow): number {
  return 128 + 2 * (key.length + (document?.length ?? 0));
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
