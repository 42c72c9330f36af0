/** What the pipeline needs of a logger; pino's are such. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LogLine {
  readonly level: keyof Log;
  /** Lines of one kind are the same condition: told at most once a minute. */
  readonly kind: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

interface Told {
  toldMs: number;
  /** Times it was not told since. */
  silent: number;
  latest: LogLine;
}

const QUIET_MS = 60_000;
const MAX_KINDS = 500;

/**
 * Logs a condition at once, and while it lasts at most once a minute, with the number of times it occurred since. Holds
 * at most 500 kinds.
 */
export class ConditionLog {
  private readonly told = new Map<string, Told>();
  private readonly log: Log;
  private readonly now: () => number;

  constructor(log: Log, now: () => number) {
    this.log = log;
    this.now = now;
  }

  tell(line: LogLine): void {
    const before = this.told.get(line.kind);
    if (before !== undefined && this.now() - before.toldMs < QUIET_MS) {
      before.silent += 1;
      before.latest = line;
      return;
    }
    this.write(line, (before?.silent ?? 0) + 1);
    this.told.delete(line.kind);
    if (this.told.size >= MAX_KINDS) this.forgetOldest();
    this.told.set(line.kind, { toldMs: this.now(), silent: 0, latest: line });
  }

  /** Tells what has been held back for a minute and forgets what has not occurred since. To be called now and then. */
  flush(): void {
    for (const [kind, told] of this.told) {
      if (this.now() - told.toldMs < QUIET_MS) continue;
      if (told.silent === 0) this.told.delete(kind);
      else {
        this.write(told.latest, told.silent);
        this.told.set(kind, { toldMs: this.now(), silent: 0, latest: told.latest });
      }
    }
  }

  private forgetOldest(): void {
    const [oldest] = this.told;
    if (oldest === undefined) return;
    const [kind, { latest, silent }] = oldest;
    if (silent > 0) this.write(latest, silent);
    this.told.delete(kind);
  }

  private write({ fields, level, message }: LogLine, count: number): void {
    this.log[level](count === 1 ? fields : { ...fields, occurrences: count }, message);
  }
}
