import { splitCredentials } from './connections.ts';
import type { EnvironmentValues } from './environment.ts';
import type { Key } from './keys.ts';
import type { Problem } from './problems.ts';
import { TYPE_OF_KEY } from './schema.ts';
import { isTree, setValue, type Tree, valueAt } from './tree.ts';

/**
 * The file's values with those of the environment laid over them. A section without `type` gets the one its keys belong
 * to. When the environment changes the type of a section, the file's keys that only the other type has are left out.
 */
export function layered(file: Tree, { values }: EnvironmentValues, keys: ReadonlyMap<string, Key>): Tree {
  const tree = structuredClone(file);
  for (const section of Object.keys(TYPE_OF_KEY)) {
    const type = values.get(`${section}.type`);
    const given = tree[section];
    if (type === undefined || !isTree(given) || given.type === undefined || given.type === type) continue;
    tree[section] = Object.fromEntries(
      Object.entries(given).filter(([name]) => hasKey(keys, `${section}.${name}`, String(type))),
    );
  }
  for (const [path, value] of values) setValue(tree, path, value);
  for (const [section, types] of Object.entries(TYPE_OF_KEY)) {
    const given = tree[section];
    if (!isTree(given) || given.type !== undefined) continue;
    const type = types.find(([name]) => name === '' || name in given)?.[1];
    if (type !== undefined) tree[section] = { type, ...given };
  }
  return tree;
}

function hasKey(keys: ReadonlyMap<string, Key>, path: string, type: string): boolean {
  return [...keys.values()].some(
    (key) => (key.path === path || key.path.startsWith(`${path}.`)) && key.types.includes(type),
  );
}

/** Moves user and password out of `buffer.url` and `journal.url` into the keys made for them. Returns which were moved. */
export function moveCredentials(tree: Tree): { moved: readonly string[]; problems: readonly Problem[] } {
  const moved: string[] = [];
  const problems: Problem[] = [];
  for (const section of ['buffer', 'journal']) {
    const url = valueAt(tree, `${section}.url`);
    const split = typeof url === 'string' ? splitCredentials(url) : null;
    if (split === null) continue;
    setValue(tree, `${section}.url`, split.url);
    for (const name of ['username', 'password'] as const) {
      const path = `${section}.${name}`;
      if (split[name] === '') continue;
      if (valueAt(tree, path) !== undefined) {
        problems.push({ path, rule: `is set both by itself and inside ${section}.url: remove one` });
      } else {
        setValue(tree, path, split[name]);
        moved.push(path);
      }
    }
  }
  return { moved, problems };
}
