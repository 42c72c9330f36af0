import type { Log } from '../../src/pipeline/condition-log.ts';

export interface RecordedLine {
  readonly level: keyof Log;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A log that keeps what it is told. */
export function recordedLog(): { log: Log; lines: RecordedLine[] } {
  const lines: RecordedLine[] = [];
  const write =
    (level: keyof Log) =>
    (fields: object, message: string): void => {
      lines.push({ level, fields: { ...fields }, message });
    };
  return { log: { info: write('info'), warn: write('warn'), error: write('error') }, lines };
}
