import * as z from 'zod';
import { address, bareUrl, bytes, field, secret, text, url, whole } from './fields.ts';
import { tls } from './tls-schema.ts';

const MIB = 1 << 20;
const MYSQL = ['mysql:', 'mariadb:'];

const expirySeconds = field(
  'number',
  'How long a row stays in the buffer after its last change, seconds.',
  whole(1, 31_536_000).default(300),
);

/** Where the newest change of each row is shown. */
export const buffer = z.discriminatedUnion('type', [
  z.strictObject({
    type: field('choice', 'Where the newest change of each row is shown.', z.literal('redis')),
    url: field(
      'url',
      'One Redis. Exactly one of `url` and `nodes`.',
      url(['redis:', 'rediss:'], 'redis://host:6379/0').exactOptional(),
      true,
    ),
    nodes: field('list', 'Some nodes of a Redis Cluster, `host:port`.', z.array(address()).min(1).exactOptional()),
    username: field('text', 'Redis user.', text().exactOptional()),
    password: field('secret', 'Redis password.', secret().exactOptional()),
    tls,
    expirySeconds,
    timeoutMs: field('number', 'Bound on every call, milliseconds.', whole(10, 60_000).default(1000)),
  }),
  z.strictObject({
    type: field('choice', 'Where the newest change of each row is shown.', z.literal('memory')),
    maxBytes: field('bytes', 'Most bytes held.', bytes(MIB).default(64 * MIB)),
    expirySeconds,
  }),
  z.strictObject({ type: field('choice', 'Where the newest change of each row is shown.', z.literal('none')) }),
]);

const keeping = {
  changes: field(
    'choice',
    'Journal every change, or only what must be durable.',
    z.enum(['all', 'none']).default('all'),
  ),
  keepHours: field(
    'number',
    'Journal rows older than this are purged once they are settled, hours.',
    whole(1, 87_600).default(24),
  ),
};

/** The durable store: journal, parked keys, dead letters, positions. */
export const journal = z.discriminatedUnion('type', [
  z.strictObject({
    type: field('choice', 'Where journal, parked keys and dead letters are kept.', z.literal('mysql')),
    url: field('url', 'Control database.', url(MYSQL, 'mysql://host:3306/sluice'), true),
    username: field('text', 'User of the database.', text().exactOptional()),
    password: field('secret', 'Password of the database.', secret().exactOptional()),
    tls,
    ...keeping,
    shards: z
      .strictObject({
        urls: field(
          'list',
          'Databases the journal is spread over; the control database when left out.',
          z
            .array(bareUrl(MYSQL, 'mysql://host:3306/sluice', 'set journal.username and journal.password'))
            .min(1)
            .exactOptional(),
        ),
        tables: field(
          'number',
          'Journal tables in each of them. Fixed once rows are stored.',
          whole(1, 1024).default(1),
        ),
      })
      .exactOptional(),
  }),
  z.strictObject({
    type: field('choice', 'Where journal, parked keys and dead letters are kept.', z.literal('sqlite')),
    path: field('text', 'File of the database, made when missing.', text().default('out/journal.db')),
    ...keeping,
  }),
]);
