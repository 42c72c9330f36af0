import * as z from 'zod';
import { field, text } from './fields.ts';

/** `true`, `false` or what the encrypted connection needs. */
export const tls = z
  .union([
    z.boolean().transform((enabled) => ({ enabled })),
    z.strictObject({
      enabled: field(
        'boolean',
        'Encrypt the connection; setting any other `tls` key does it too.',
        z.boolean().exactOptional(),
      ),
      ca: field('text', 'PEM file of the authorities to trust instead of the system’s.', text().exactOptional()),
      cert: field('text', 'PEM file of the client certificate.', text().exactOptional()),
      key: field('text', 'PEM file of the client certificate’s private key.', text().exactOptional()),
      servername: field('text', 'Name to expect in the server’s certificate.', text().exactOptional()),
    }),
  ])
  .exactOptional();

export type TlsSettings = NonNullable<z.output<typeof tls>>;
