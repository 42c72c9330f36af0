import * as z from 'zod';
import { DEFAULT_IN_FLIGHT, DEFAULT_OPTIONS } from '../pipeline/stages.ts';
import { bytes, field, text, whole } from './fields.ts';
import { index } from './index-schema.ts';
import { source, tables } from './source-schema.ts';
import { buffer, journal } from './store-schema.ts';

const KIB = 1 << 10;
const MIB = 1 << 20;
const GIB = 1 << 30;

const window = z.strictObject({
  ms: field('number', 'Length of a window, milliseconds.', whole(1, 3_600_000).default(3000)),
  maxKeys: field('number', 'Distinct keys that close a window early.', whole(1, 10_000_000).default(200_000)),
  maxBytes: field(
    'bytes',
    'Bytes that close a window early. Not above `inFlight.bytes`.',
    bytes(64 * KIB).default(DEFAULT_OPTIONS.window.maxBytes),
  ),
  parkAfterWindows: field(
    'number',
    'A key unsettled for so many windows is parked in the journal’s database.',
    whole(1, 10_000).default(10),
  ),
});

const inFlight = z.strictObject({
  bytes: field(
    'bytes',
    'Bytes read and not yet settled; the source pauses there.',
    bytes(MIB).default(DEFAULT_IN_FLIGHT.bytes),
  ),
  changes: field(
    'number',
    'Changes read and not yet settled; the source pauses there.',
    whole(1000, 100_000_000).default(DEFAULT_IN_FLIGHT.changes),
  ),
});

const drainMs = field(
  'number',
  'After a stop signal, what is unsettled by then is parked, milliseconds. At least 10 s below the kill grace of the platform.',
  whole(0, 3_600_000).default(20_000),
);

const http = z.strictObject({
  enabled: field('boolean', 'Serve `/metrics`, `/livez`, `/readyz` and `/health`.', z.boolean().default(true)),
  host: field('text', 'Address to listen on; `0.0.0.0` in a container.', text().default('127.0.0.1')),
  port: field('number', 'Port to listen on; 0 takes a free one.', whole(0, 65_535).default(8080)),
});

const log = z.strictObject({
  level: field(
    'choice',
    'Least level that is logged.',
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
  ),
  format: field(
    'choice',
    '`json` lines, `pretty` ones, or pretty on a terminal only.',
    z.enum(['auto', 'json', 'pretty']).default('auto'),
  ),
  file: z
    .strictObject({
      path: field('text', 'File to log to besides standard output; rolled daily and by size.', text()),
      maxBytes: field('bytes', 'Size at which a file is rolled.', bytes(64 * KIB).default(100 * MIB)),
      keepDays: field('number', 'Days rolled files are kept.', whole(1, 3650).default(30)),
      maxTotalBytes: field(
        'bytes',
        'Bytes of all log files together; the oldest leave first.',
        bytes(64 * KIB).default(10 * GIB),
      ),
    })
    .exactOptional(),
});

/** Every section of the configuration. The one place where keys, defaults, bounds and their documentation are written. */
export const sections = {
  source,
  tables,
  buffer: buffer.prefault({ type: 'memory' }),
  journal: journal.prefault({ type: 'sqlite' }),
  window: window.prefault({}),
  index: index.prefault({ type: 'directory' }),
  inFlight: inFlight.prefault({}),
  drainMs,
  http: http.prefault({}),
  log: log.prefault({}),
};

/** The settings, valid and complete. */
export type Settings = { readonly [Name in keyof typeof sections]: z.output<(typeof sections)[Name]> };

export type SectionName = keyof Settings;

/** A section without `type` is of the type that knows the first of these keys it has, else of the embedded type. */
export const TYPE_OF_KEY: Readonly<Record<string, readonly (readonly [key: string, type: string])[]>> = {
  source: [
    ['brokers', 'kafka'],
    ['topics', 'kafka'],
    ['groupId', 'kafka'],
    ['path', 'file'],
  ],
  buffer: [
    ['url', 'redis'],
    ['nodes', 'redis'],
    ['', 'memory'],
  ],
  journal: [
    ['url', 'mysql'],
    ['shards', 'mysql'],
    ['', 'sqlite'],
  ],
  index: [
    ['nodes', 'elasticsearch'],
    ['', 'directory'],
  ],
};
