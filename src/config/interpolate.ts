import type { Key } from './keys.ts';
import type { Problem } from './problems.ts';
import { isTree, type Tree } from './tree.ts';
import { valueOfText } from './value-texts.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/**
 * Replaces `${NAME}` and `${NAME:-fallback}` in every text of the file; `$${` stands for `${`. Done after parsing, so that
 * a value cannot add keys. A text that was replaced is read as the environment is (`${PORT}` may be a number), and one
 * that became empty counts as absent, as does a key without a value.
 */
export function interpolate(
  tree: Tree,
  keys: ReadonlyMap<string, Key>,
  environment: Environment,
): { values: Tree; shown: ReadonlyMap<string, string>; problems: readonly Problem[] } {
  const shown = new Map<string, string>();
  const problems: Problem[] = [];

  const replaceText = (text: string, path: string): unknown => {
    if (!text.includes('${')) return text;
    let isReplaced = false;
    const replaced = text.replace(REFERENCE, (reference, name: string | undefined, fallback: string | undefined) => {
      if (name === undefined) return '${';
      isReplaced = true;
      const value = environment[name];
      if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
      if (value === undefined)
        problems.push({ path, rule: `needs the environment variable ${name}, which is not set` });
      return value ?? reference;
    });
    if (!isReplaced) return replaced;
    if (replaced === '') return undefined;
    shown.set(path, text);
    const key = keys.get(path.replaceAll(/\[\d+\]/g, '[]'));
    return key === undefined ? replaced : valueOfText(key.kind, replaced);
  };

  const visit = (value: unknown, path: string): unknown => {
    if (typeof value === 'string') return replaceText(value, path);
    if (Array.isArray(value))
      return value.map((one, i) => visit(one, `${path}[${i}]`)).filter((one) => one !== undefined);
    if (!isTree(value)) return value ?? undefined;
    const entries = Object.entries(value).map(([name, inner]) => [
      name,
      visit(inner, path === '' ? name : `${path}.${name}`),
    ]);
    return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
  };

  return { values: visit(tree, '') as Tree, shown, problems };
}
