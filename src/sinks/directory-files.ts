import { readFileSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../pipeline/errors.ts';
import { type IndexRow, lineOf, parseLine } from './directory-lines.ts';

/** The three files of an index. What counts is the newest version of a key over all of them, the later file at a tie. */
export function filesOf(directory: string, index: string): { documents: string; tombstones: string; log: string } {
  const base = join(directory, index);
  return { documents: `${base}.ndjson`, tombstones: `${base}.tombstones`, log: `${base}.log` };
}

/**
 * What an index's files say together. The log may end in a torn line, of a write that was never acknowledged: `logBytes`
 * is its length without that. Synchronous: a start, once an index. Throws E3002 when another line cannot be read.
 */
export function readIndexFiles(directory: string, index: string): { rows: Map<string, IndexRow>; logBytes: number } {
  const { documents, tombstones, log } = filesOf(directory, index);
  const rows = new Map<string, IndexRow>();
  // The log is read first: what leaves it meanwhile is in the other files by then.
  const content = contentOf(log);
  for (const file of [documents, tombstones]) addLines(rows, contentOf(file).toString(), file);
  const logBytes = content.lastIndexOf(0x0a) + 1;
  addLines(rows, content.toString('utf8', 0, logBytes), log);
  return { rows, logBytes };
}

function addLines(rows: Map<string, IndexRow>, text: string, file: string): void {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    const line = parseLine(text.slice(start, end < 0 ? text.length : end));
    if (line === null) {
      throw new SluiceError('E3002', 'A file of the directory index is damaged', {
        detail: file,
        remedy: 'Restore it, or remove the files of this index and index again',
      });
    }
    const { key, ...row } = line;
    if (row.version >= (rows.get(key)?.version ?? 0)) rows.set(key, row);
    start = end < 0 ? text.length : end + 1;
  }
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

const WRITE_CHARS = 1024 * 1024;

/** Replaces a file by these rows in this order: the old one or the whole new one is there, whenever the machine stops. */
export async function replaceFile(file: string, rows: Iterable<readonly [string, IndexRow]>): Promise<void> {
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, 'w');
  try {
    let text = '';
    for (const [key, row] of rows) {
      text += lineOf(key, row);
      if (text.length < WRITE_CHARS) continue;
      await handle.appendFile(text);
      text = '';
    }
    await handle.appendFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** Makes renames and new files in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle: FileHandle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
