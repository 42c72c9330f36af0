import { readFileSync, writeFileSync } from 'node:fs';
import { type Key, keysOfSchema } from './keys.ts';
import { sections } from './schema.ts';
import { bytesText } from './value-texts.ts';

const BEGIN = '<!-- keys: written by `node src/config/document.ts` -->';
const END = '<!-- end of keys -->';

/** The page with its tables of keys written anew from the schema. */
export function withKeyTables(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${before}${BEGIN}\n\n${keyTables()}\n${END}${after}`;
}

function keyTables(): string {
  const keys = [...keysOfSchema().values()];
  return Object.keys(sections)
    .map((section) => {
      const own = keys.filter(({ path }) => path.split(/[.[]/)[0] === section);
      const rows = own.map((key) => `| ${cells(key).join(' | ')} |`);
      return `### \`${section}\`\n\n| key | variable | default | meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
    })
    .join('\n');
}

function cells(key: Key): string[] {
  const { about, choices, isSecret, path, types, variable } = key;
  const typed = types.length > 0 && !path.endsWith('.type') ? ` *(${types.join(', ')})*` : '';
  const words = choices.length > 1 ? ` One of ${choices.map((one) => `\`${one}\``).join(', ')}.` : '';
  const file = isSecret ? ' Or `…_FILE`.' : '';
  const name = variable === null ? '' : `\`${variable}\``;
  return [`\`${path}\``, name, fallbackOf(key), `${about}${words}${file}${typed}`].map((cell) =>
    cell.replaceAll('|', '\\|'),
  );
}

function fallbackOf({ fallback, isRequired, kind }: Key): string {
  if (isRequired) return 'required';
  if (fallback === undefined) return '';
  if (kind === 'bytes' && typeof fallback === 'number') return `\`${bytesText(fallback)}\``;
  return `\`${Array.isArray(fallback) ? JSON.stringify(fallback) : String(fallback)}\``;
}

if (import.meta.main) {
  const page = new URL('../../docs/configuration.md', import.meta.url);
  writeFileSync(page, withKeyTables(readFileSync(page, 'utf8')));
}
