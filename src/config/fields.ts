import * as z from 'zod';
import { Secret } from './secret.ts';
import { bytesOf } from './value-texts.ts';

/** How a key is written: decides how text from the environment is read, what an error says and what may be shown. */
export type Kind =
  | 'text'
  | 'number'
  | 'bytes'
  | 'boolean'
  | 'choice'
  | 'duration'
  | 'list'
  | 'url'
  | 'secret'
  | 'rules';

/** What the documentation says about a key. */
export interface About {
  readonly kind: Kind;
  readonly about: string;
  /** May hold a password: never shown, and may come from a file named by the environment. */
  readonly isSecret: boolean;
}

/** What is known about each key, by its schema. */
export const ABOUT = z.registry<About>();

/** Describes a key. The outermost call on its schema, so that default and optionality lie inside. */
export function field<T extends z.ZodType>(kind: Kind, about: string, schema: T, isSecret = kind === 'secret'): T {
  ABOUT.add(schema, { kind, about, isSecret });
  return schema;
}

export const text = (): z.ZodString => z.string().min(1);

/** A whole number between two bounds, both included. */
export const whole = (least: number, most: number): z.ZodNumber => z.number().int().min(least).max(most);

/** A size: `64MiB`, or a number of bytes. */
export const bytes = (least: number, most = 2 ** 40) => z.preprocess(bytesOf, whole(least, most));

export const secret = () => text().transform((value) => new Secret(value));

/** `host:port`, IPv6 hosts in brackets. */
export const address = (): z.ZodString =>
  z.string().regex(/^([^\s/@:[\]]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$/, 'must be host:port');

/** A URL of one of the protocols, with a host; `example` is shown when it is not. */
export const url = (protocols: readonly string[], example: string) =>
  z.string().refine((value) => {
    const parsed = URL.parse(value);
    return parsed !== null && protocols.includes(parsed.protocol) && parsed.hostname !== '';
  }, `must be a URL such as ${example}`);

/** A URL in a list: credentials in it would be shown with it. */
export const bareUrl = (protocols: readonly string[], example: string, remedy: string) =>
  url(protocols, example).refine((value) => !hasUserinfo(value), `must not hold credentials: ${remedy}`);

export const duration = () => z.string().regex(/^\d+(ms|s|m|h|d)$/, 'must be a duration such as 30s, 10m or 1h');

export const zone = () =>
  z.string().refine((name) => {
    try {
      new Intl.DateTimeFormat('en', { timeZone: name });
      return true;
    } catch {
      return false;
    }
  }, 'must be a time zone such as UTC or Europe/Berlin');

function hasUserinfo(value: string): boolean {
  const parsed = URL.parse(value);
  return parsed !== null && (parsed.username !== '' || parsed.password !== '');
}
