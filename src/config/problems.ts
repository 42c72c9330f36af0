import type * as z from 'zod';
import type { Key } from './keys.ts';
import { nearest } from './nearest.ts';
import { isTree } from './tree.ts';

/** One thing wrong with the configuration. Never holds a secret. */
export interface Problem {
  /** Key, or name of the environment variable. */
  readonly path: string;
  /** Goes on after the path: `must be at least 1`. */
  readonly rule: string;
  /** What was seen instead, if it may be shown. */
  readonly seen?: string;
}

type Issue = z.core.$ZodIssue;

/** What the words of a problem are taken from. */
export interface ProblemContext {
  readonly keys: ReadonlyMap<string, Key>;
  /** The section as it was given, and its name. */
  readonly section: string;
  readonly value: unknown;
  /** What to show for a path instead of its value: `${NAME}` where the value came from the environment. */
  readonly shown: ReadonlyMap<string, string>;
  /** The variable a path's value came from. */
  readonly variables: ReadonlyMap<string, string>;
}

/** `window.ms must be at least 1, got 0`. */
export function problemText({ path, rule, seen }: Problem): string {
  return `${path} ${rule}${seen === undefined ? '' : `, got ${seen}`}`;
}

/** The problems of one section, in the words of its keys. */
export function problemsOfIssues(issues: readonly Issue[], context: ProblemContext): Problem[] {
  return issues
    .flatMap((issue) => problemsOf(issue, context))
    .map((problem) => {
      const variable = context.variables.get(keyPath(problem.path));
      return variable === undefined ? problem : { ...problem, path: `${problem.path} (${variable})` };
    });
}

function problemsOf(issue: Issue, context: ProblemContext): Problem[] {
  const path = pathText([context.section, ...issue.path]);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((name) => unknownKey(path, name, context));
  const value = issue.path.reduce<unknown>(
    (inner, name) => (inner as Record<PropertyKey, unknown>)?.[name],
    context.value,
  );
  if (issue.code === 'invalid_union' && issue.errors.length > 0 && (isTree(value) || Array.isArray(value))) {
    const branch = issue.errors.at(isTree(value) ? -1 : 0) ?? [];
    return branch.flatMap((inner) => problemsOf({ ...inner, path: [...issue.path, ...inner.path] }, context));
  }
  if (value === undefined) return [{ path, rule: 'is required' }];
  const seen = seenAt(path, value, context);
  return [{ path, rule: ruleOf(issue, context.keys.get(keyPath(path))), ...(seen === undefined ? {} : { seen }) }];
}

function ruleOf(issue: Issue, key: Key | undefined): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${nounOf(issue.expected, key)}`;
    case 'too_small':
      if (issue.origin === 'number') return `must be at least ${issue.minimum}`;
      return 'must not be empty';
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    case 'invalid_value':
      return `must be ${orList(issue.values.map(String))}`;
    case 'invalid_union': {
      const { options } = issue as { options?: readonly unknown[] };
      return options === undefined ? `must be ${nounOf('union', key)}` : `must be ${orList(options.map(String))}`;
    }
    default:
      return issue.message;
  }
}

function nounOf(expected: string, key: Key | undefined): string {
  if (key?.kind === 'bytes') return 'a size such as 512KiB, 64MiB or a whole number of bytes';
  const nouns: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping of keys',
    union: key?.kind === 'list' ? 'a list, or a mapping with pattern' : 'true, false or a mapping of keys',
  };
  return nouns[expected] ?? expected;
}

/** A key nobody knows. Its value is not shown: a misspelt password is one. */
function unknownKey(parent: string, name: string, { keys, section, value }: ProblemContext): Problem {
  const path = parent === '' ? name : `${parent}.${name}`;
  const known = [...keys.values()].find((key) => key.path === path);
  const type = isTree(value) ? value.type : undefined;
  if (known !== undefined && known.types.length > 0) {
    return { path, rule: `is a key of ${section} type ${orList(known.types)}, not of ${String(type)}` };
  }
  const prefix = keyPath(parent) === '' ? '' : `${keyPath(parent)}.`;
  const siblings = [...keys.values()]
    .filter(
      ({ path, types }) =>
        path.startsWith(prefix) && (parent === '' || types.length === 0 || types.includes(String(type))),
    )
    .map((key) => key.path.slice(prefix.length).split(/[.[]/)[0] ?? '');
  const near = nearest(name, [...new Set(siblings)]);
  const place = parent === '' ? near : `${parent}.${near}`;
  return { path: cut(path), rule: `is not a known key${near === null ? '' : ` (did you mean ${place}?)`}` };
}

/** A top-level key that names no section. */
export function unknownSection(name: string, keys: ReadonlyMap<string, Key>): Problem {
  return unknownKey('', name, { keys, section: '', value: undefined, shown: new Map(), variables: new Map() });
}

/** The value at a path as an error may show it: only of keys that hold no secret, and of others its type at most. */
function seenAt(path: string, value: unknown, { keys, shown }: ProblemContext): string | undefined {
  const key = keys.get(keyPath(path));
  const replacement = shown.get(path);
  if (key?.isSecret) return undefined;
  if (replacement !== undefined) return replacement;
  if (Array.isArray(value)) return 'a list';
  if (isTree(value)) return 'a mapping';
  if (key === undefined) return typeof value === 'string' ? 'text' : String(value);
  return typeof value === 'string' ? cut(JSON.stringify(value.replace(/\/\/.*@/, '//[redacted]@'))) : String(value);
}

/** `tables[0].match` → `tables[].match`, `source.brokers[1]` → `source.brokers`: how `keys` name it. */
function keyPath(path: string): string {
  return path.replaceAll(/\[\d+\]/g, '[]').replace(/\[\]$/, '');
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, name) => {
    if (typeof name === 'number') return `${text}[${name}]`;
    return text === '' ? String(name) : `${text}.${String(name)}`;
  }, '');
}

export function orList(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function cut(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}
