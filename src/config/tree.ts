/** A value as YAML or JSON holds it, before any schema. */
export type Tree = Record<string, unknown>;

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a dotted path; undefined when there is none. */
export function valueAt(tree: unknown, path: string): unknown {
  let value = tree;
  for (const name of path.split('.')) {
    if (!isTree(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** Sets the value at a dotted path; what stands in its way is replaced. */
export function setValue(tree: Tree, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let place = tree;
  for (const name of names) {
    const next = Object.hasOwn(place, name) && isTree(place[name]) ? place[name] : {};
    place[name] = next;
    place = next;
  }
  place[last] = value;
}

/** Freezes plain objects and lists, however deep. */
export function freezeTree<T>(value: T): T {
  if (Array.isArray(value) || (isTree(value) && Object.getPrototypeOf(value) === Object.prototype)) {
    for (const inner of Object.values(value)) freezeTree(inner);
    Object.freeze(value);
  }
  return value;
}
