import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';

export interface RollingFileOptions {
  /** The file that is written; rolled ones lie beside it as `<name>-<date>.<n><ext>`. */
  readonly path: string;
  /** A file is rolled before it would grow beyond this. */
  readonly maxBytes: number;
  /** Rolled files leave so many days after the day they are of. */
  readonly keepDays: number;
  /** All files together stay below this; the oldest leave first. */
  readonly maxTotalBytes: number;
  /** Milliseconds since 1970; the system's clock by default. Days are those of UTC. */
  readonly now?: () => number;
}

interface Rolled {
  readonly file: string;
  readonly day: string;
  readonly number: number;
  readonly bytes: number;
}

const DAY_MS = 86_400_000;

/**
 * A log file that is rolled daily and by size, and swept by age and total size. For one process a path. A disk that takes
 * nothing loses lines, counted in `lost`; it never throws into whoever logs.
 */
export class RollingFile {
  /** Lines that could not be written. */
  lost = 0;
  private readonly options: RollingFileOptions;
  private readonly now: () => number;
  private descriptor: number | null = null;
  private bytes = 0;
  private day = '';

  constructor(options: RollingFileOptions) {
    this.options = options;
    this.now = options.now ?? Date.now;
  }

  /** Writes one line, its line break included. */
  write(line: string): void {
    try {
      const size = Buffer.byteLength(line);
      if (this.descriptor === null) this.open();
      if (this.day !== this.today() || (this.bytes > 0 && this.bytes + size > this.options.maxBytes)) this.roll();
      writeSync(this.descriptor ?? this.open(), line);
      this.bytes += size;
    } catch {
      this.lost += 1;
      this.close();
    }
  }

  close(): void {
    if (this.descriptor === null) return;
    const descriptor = this.descriptor;
    this.descriptor = null;
    try {
      closeSync(descriptor);
    } catch {
      // What it held is written or lost already.
    }
  }

  private today(): string {
    return dayOf(this.now());
  }

  /** A file left by an earlier run is of the day it was last written. */
  private open(): number {
    const { path } = this.options;
    mkdirSync(dirname(path), { recursive: true });
    const descriptor = openSync(path, 'a', 0o640);
    const { mtimeMs, size } = fstatSync(descriptor);
    this.descriptor = descriptor;
    this.bytes = size;
    this.day = size === 0 ? this.today() : dayOf(mtimeMs);
    this.sweep();
    return descriptor;
  }

  private roll(): void {
    this.close();
    if (this.bytes > 0) {
      const { path } = this.options;
      const number = Math.max(0, ...this.rolled().map((one) => (one.day === this.day ? one.number : 0))) + 1;
      const stem = basename(path, extname(path));
      renameSync(path, join(dirname(path), `${stem}-${this.day}.${number}${extname(path)}`));
    }
    this.open();
    this.day = this.today();
  }

  /** Removes what is too old, then the oldest until the rest leaves room for a full file. */
  private sweep(): void {
    const { keepDays, maxBytes, maxTotalBytes } = this.options;
    const oldest = dayOf(this.now() - keepDays * DAY_MS);
    const newestFirst = this.rolled().sort((a, b) => (a.day === b.day ? b.number - a.number : a.day < b.day ? 1 : -1));
    let total = Math.max(maxBytes, this.bytes);
    for (const { bytes, day, file } of newestFirst) {
      total += bytes;
      if (day < oldest || total > maxTotalBytes) rmSync(file, { force: true });
    }
  }

  /** The rolled files of this path: only names that `roll` makes, so that nothing else is ever removed. */
  private rolled(): Rolled[] {
    const { path } = this.options;
    const extension = extname(path);
    const stem = `${basename(path, extension)}-`;
    return readdirSync(dirname(path)).flatMap((name) => {
      if (!name.startsWith(stem) || !name.endsWith(extension)) return [];
      const middle = name.slice(stem.length, name.length - extension.length);
      const match = /^(\d{4}-\d{2}-\d{2})\.(\d+)$/.exec(middle);
      if (match === null) return [];
      const file = join(dirname(path), name);
      const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      return [{ file, day: match[1] ?? '', number: Number(match[2]), bytes }];
    });
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
