import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../src/cli/main.ts');

/** The flags of Node that the service runs under, as the first line of its command says: without them its memory would be another. */
export function serviceFlags(): readonly string[] {
  const [first = ''] = readFileSync(MAIN, 'utf8').split('\n', 1);
  const flags = first.split(' ').filter((word) => word.startsWith('--'));
  if (!flags.some((flag) => flag.startsWith('--max-old-space-size='))) throw new Error(`${MAIN} sets no heap limit`);
  return flags;
}
