import type * as z from 'zod';
import { ABOUT, type About } from './fields.ts';
import { sections, TYPE_OF_KEY } from './schema.ts';

/** One key of the configuration, as documentation, environment and error messages know it. */
export interface Key extends About {
  /** `window.maxBytes`; the keys of a list's entries as `tables[].match`. */
  readonly path: string;
  /** `SLUICE_WINDOW_MAX_BYTES`; null for what only the file can hold. */
  readonly variable: string | null;
  /** The types of its section that have it; empty when the section has no types. */
  readonly types: readonly string[];
  readonly choices: readonly string[];
  /** Undefined when there is none. */
  readonly fallback: unknown;
  readonly isRequired: boolean;
}

/** What a schema looks like from inside, as far as the walk needs it. */
interface Shape {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly defaultValue?: unknown;
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly string[];
}

const shapeOf = (schema: z.ZodType): Shape => schema.def as unknown as Shape;

/** Every key of the schema by its path, in the order of the schema. */
export function keysOfSchema(): ReadonlyMap<string, Key> {
  const keys = new Map<string, Key>();
  for (const [name, schema] of Object.entries(sections)) walk(schema, name, null, keys);
  return keys;
}

function walk(schema: z.ZodType, path: string, type: string | null, keys: Map<string, Key>): void {
  const about = ABOUT.get(schema);
  if (about !== undefined) keys.set(path, merged(keys.get(path), keyOf(schema, about, path, type)));
  const inner = shapeOf(schema);
  for (const [name, child] of Object.entries(inner.shape ?? {})) walk(child, `${path}.${name}`, type, keys);
  if (inner.element !== undefined) walk(inner.element, `${path}[]`, type, keys);
  for (const child of [inner.innerType, inner.in, inner.out]) if (child !== undefined) walk(child, path, type, keys);
  for (const option of inner.options ?? []) {
    const tag = shapeOf(option).shape?.[inner.discriminator ?? ''];
    walk(option, path, tag === undefined ? type : (choicesOf(tag)[0] ?? null), keys);
  }
}

function keyOf(schema: z.ZodType, about: About, path: string, type: string | null): Key {
  const shape = shapeOf(schema);
  const [section = '', ...rest] = path.split('.');
  const fallback =
    rest.join('.') === 'type' ? TYPE_OF_KEY[section]?.find(([key]) => key === '')?.[1] : shape.defaultValue;
  return {
    ...about,
    path,
    variable: path.includes('[]') ? null : variableOf(path),
    types: type === null ? [] : [type],
    choices: choicesOf(schema),
    fallback,
    isRequired: shape.type !== 'optional' && fallback === undefined,
  };
}

/** The same key in another type of its section. */
function merged(known: Key | undefined, key: Key): Key {
  if (known === undefined) return key;
  return {
    ...known,
    types: [...new Set([...known.types, ...key.types])],
    choices: [...new Set([...known.choices, ...key.choices])],
  };
}

function choicesOf(schema: z.ZodType): readonly string[] {
  const { entries, innerType, values } = shapeOf(schema);
  if (innerType !== undefined) return choicesOf(innerType);
  return values ?? Object.values(entries ?? {});
}

/** `window.maxBytes` → `SLUICE_WINDOW_MAX_BYTES`. */
export function variableOf(path: string): string {
  const words = path.replaceAll(/([a-z\d])([A-Z])/g, '$1_$2').replaceAll('.', '_');
  return `SLUICE_${words.toUpperCase()}`;
}
