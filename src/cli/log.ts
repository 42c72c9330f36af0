import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import { SluiceError } from '../pipeline/errors.ts';
import { prettyLine } from './pretty-line.ts';
import { RollingFile, type RollingFileOptions } from './rolling-file.ts';

export interface LogOptions {
  /** Least level that is logged. Default `info`. */
  readonly level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  /** `auto`, the default, is `pretty` on a terminal and `json` elsewhere. */
  readonly format?: 'auto' | 'json' | 'pretty';
  /** Rolling files beside the stream. */
  readonly file?: RollingFileOptions;
  readonly version?: string;
  /** Default: the host's name, in a container the container's. */
  readonly instance?: string;
  /** `process.stdout` for a service; `process.stderr` for a command whose results are on stdout. */
  readonly stream: Writable & { readonly isTTY?: boolean; hasColors?(): boolean };
}

export interface ServiceLog {
  readonly log: Logger;
  /** Resolves when everything logged so far is written, or at the latest after a second. */
  close(): Promise<void>;
}

/** Lines wait in memory while whoever reads the stream does not; beyond this they are dropped. */
const MAX_WAITING_BYTES = 1 << 20;
const CLOSE_MS = 1000;

/** Fields that must never be printed, should somebody log an object that has them. */
const REDACTED = ['password', 'apiKey', 'auth', 'sasl', 'authorization', 'url', 'sql', 'document', 'data'].flatMap(
  (name) => [name, `*.${name}`],
);

/**
 * The service's log: one JSON object a line (`time` in RFC 3339, `level` as text, `msg`, and the fields of docs/metrics.md),
 * or lines for people. Bounded: a reader that stalls costs lines, not memory, and never holds up the stream.
 */
export function serviceLog(options: LogOptions): ServiceLog {
  const { file, format = 'auto', instance = hostname(), level = 'info', stream, version = '0' } = options;
  const isPretty = format === 'pretty' || (format === 'auto' && stream.isTTY === true);
  const hasColor = stream.isTTY === true && stream.hasColors?.() === true;
  const rolling = file === undefined ? null : new RollingFile(file);
  let dropped = 0;
  // A reader that has gone away (`| head`) must not end the service.
  stream.on('error', () => undefined);

  const write = (json: string): void => {
    const line = escapeControls(json);
    rolling?.write(line);
    if (stream.writableLength > MAX_WAITING_BYTES) {
      dropped += 1;
      return;
    }
    if (dropped > 0) {
      const missed = dropped;
      dropped = 0;
      log.warn({ component: 'log', count: missed }, 'log lines were dropped: nobody read them');
    }
    stream.write(isPretty ? prettyLine(line, hasColor) : line);
  };
  const log: Logger = pino(
    {
      level,
      base: { service: 'sluice', version, instance },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (error: unknown) => describeError(error, level === 'debug' || level === 'trace') },
      redact: { paths: REDACTED, censor: '[redacted]' },
    },
    { write },
  );
  const close = async (): Promise<void> => {
    rolling?.close();
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, CLOSE_MS);
      stream.write('', () => {
        clearTimeout(deadline);
        resolve();
      });
    });
  };
  return { log, close };
}

/** JSON leaves DEL and the C1 controls as they are; a terminal that shows the log obeys them. */
function escapeControls(json: string): string {
  return json.replaceAll(
    /(?!\n)\p{Cc}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * What may be told of an error: of ours all, of others type and code. Their messages quote SQL, keys and documents, and
 * are told at debug level only, with the stack.
 */
function describeError(error: unknown, isVerbose: boolean): object {
  if (error instanceof SluiceError) {
    const { code, detail, message, name, remedy } = error;
    return { type: name, code, message, detail, remedy };
  }
  if (!(error instanceof Error)) return typeof error === 'object' ? { ...error } : { type: typeof error };
  const { code } = error as NodeJS.ErrnoException;
  return { type: error.name, ...(code === undefined ? {} : { code }), ...(isVerbose ? { stack: error.stack } : {}) };
}
