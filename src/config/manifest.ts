import { readFileSync } from 'node:fs';

/** What package.json says of this version of sluice. */
export function manifest(): { readonly version: string } {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return JSON.parse(text) as { version: string };
}
