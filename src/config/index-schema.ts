import * as z from 'zod';
import { bareUrl, bytes, duration, field, secret, text, whole } from './fields.ts';
import { tls } from './tls-schema.ts';

const KIB = 1 << 10;
const MIB = 1 << 20;

const writing = {
  batch: z
    .strictObject({
      documents: field('number', 'Most documents of one request.', whole(1, 100_000).default(1000)),
      bytes: field(
        'bytes',
        'Most bytes of one request; a larger document travels alone.',
        bytes(KIB, 100 * MIB).default(5 * MIB),
      ),
    })
    .prefault({}),
  slots: field('number', 'Requests in flight at most.', whole(1, 256).default(4)),
  retry: z
    .strictObject({
      maxAttempts: field(
        'number',
        'Quick attempts of one document, the first included; then it waits in the window or is parked.',
        whole(1, 100).default(3),
      ),
      firstMs: field(
        'number',
        'Longest wait before the second attempt, milliseconds; doubled each time, with jitter.',
        whole(1, 600_000).default(200),
      ),
      maxMs: field('number', 'Longest wait between attempts, milliseconds.', whole(1, 3_600_000).default(10_000)),
    })
    .prefault({}),
  holdMs: field(
    'number',
    'How long an index that takes nothing is left alone, milliseconds.',
    whole(1, 3_600_000).default(5000),
  ),
  deletes: field('choice', 'How a DELETE reaches the index.', z.enum(['hard']).default('hard')),
  pauseLimitHours: field(
    'number',
    'Longest pause of an instance that is admitted before its old writes may show a deleted row again, hours.',
    whole(1, 8760).default(24),
  ),
  gcDeletes: field('duration', 'How long our indices remember deletes (`index.gc_deletes`).', duration().default('1h')),
};

/** Where documents go. */
export const index = z.discriminatedUnion('type', [
  z.strictObject({
    type: field('choice', 'Where documents go.', z.literal('elasticsearch')),
    nodes: field(
      'list',
      'Elasticsearch nodes.',
      z.array(bareUrl(['http:', 'https:'], 'https://host:9200', 'set index.auth')).min(1),
    ),
    auth: z
      .strictObject({
        apiKey: field('secret', 'API key. Either this or user and password.', secret().exactOptional()),
        username: field('text', 'Elasticsearch user.', text().exactOptional()),
        password: field('secret', 'Elasticsearch password.', secret().exactOptional()),
      })
      .exactOptional(),
    tls,
    requestTimeoutMs: field('number', 'Bound on every request, milliseconds.', whole(100, 3_600_000).default(30_000)),
    createIndexes: field(
      'boolean',
      'Create a missing index, with mapping and `gc_deletes`.',
      z.boolean().default(true),
    ),
    ...writing,
  }),
  z.strictObject({
    type: field('choice', 'Where documents go.', z.literal('directory')),
    path: field('text', 'Directory of one `<index>.ndjson` per index, made when missing.', text().default('out/index')),
    ...writing,
  }),
]);
