import * as z from 'zod';
import { address, field, secret, text, whole, zone } from './fields.ts';
import { tls } from './tls-schema.ts';

const format = field('choice', 'What the records are.', z.enum(['canal-json']).default('canal-json'));
const canalZone = field(
  'text',
  'Time zone of the Canal JVM, in which TIMESTAMP texts are written.',
  zone().default('UTC'),
);

/** Where records come from. */
export const source = z.discriminatedUnion('type', [
  z.strictObject({
    type: field('choice', 'Where records come from.', z.literal('kafka')),
    brokers: field('list', 'Kafka brokers, `host:port`.', z.array(address()).min(1)),
    groupId: field('text', 'Consumer group; instances that share it share the partitions.', text().default('sluice')),
    topics: field(
      'list',
      'Topics to read. Or, in the file, `{ pattern: shop.* }`.',
      z.union([
        z.array(text()).min(1),
        z.strictObject({ pattern: field('text', 'Topics to read, `*` for any text, instead of a list.', text()) }),
      ]),
    ),
    sessionTimeoutMs: field(
      'number',
      'How long a silent instance keeps its partitions before others take them over; the broker bounds it (6 s to 30 min).',
      whole(1000, 1_800_000).default(30_000),
    ),
    clientId: field('text', 'Name of this client in the broker’s logs.', text().default('sluice')),
    format,
    canalZone,
    ssl: tls,
    sasl: z
      .strictObject({
        mechanism: field('choice', 'SASL mechanism.', z.enum(['plain', 'scram-sha-256', 'scram-sha-512'])),
        username: field('text', 'SASL user.', text()),
        password: field('secret', 'SASL password.', secret()),
      })
      .exactOptional(),
  }),
  z.strictObject({
    type: field('choice', 'Where records come from.', z.literal('file')),
    path: field('text', 'NDJSON file of records, `-` for standard input.', text()),
    format,
    canalZone,
    topic: field('text', 'Topic name of lines that carry none.', text().default('file')),
    partitions: field(
      'number',
      'Partitions of the topic the file was taken from; counted when left out.',
      whole(1, 100_000).exactOptional(),
    ),
  }),
]);

const columns = () => z.array(text()).min(1).exactOptional();

const rule = z.preprocess(
  (value) => (typeof value === 'string' ? { match: value } : value),
  z.strictObject({
    match: field('text', '`database.table`; `*` stands for any text, `?` for one character.', text()),
    index: field(
      'text',
      'Index name, with `{database}` and `{table}`; `{database}_{table}` when left out.',
      text().exactOptional(),
    ),
    keyColumns: field('list', 'Columns that make the document id, instead of the primary key.', columns()),
    include: field('list', 'Only these columns go into the document.', columns()),
    exclude: field('list', 'These columns stay out of the document.', columns()),
    truncate: field('choice', 'What TRUNCATE, DROP and RENAME do.', z.enum(['alarm', 'ignore']).default('alarm')),
    decimals: field(
      'choice',
      'DECIMAL as exact text or as a JSON number.',
      z.enum(['string', 'number']).default('string'),
    ),
    booleans: field(
      'choice',
      'tinyint(1) as a number or as a boolean.',
      z.enum(['number', 'boolean']).default('number'),
    ),
    canalZone: field('text', 'Overrides `source.canalZone` for these tables.', zone().exactOptional()),
  }),
);

/** Which tables go where. */
export const tables = field(
  'rules',
  'Tables to follow; the first rule that matches decides. Empty: every table but system schemas and sluice’s own. A bare `database.table` is a rule too.',
  z.array(rule).default([]),
);
