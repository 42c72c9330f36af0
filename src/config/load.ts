import { SluiceError } from '../pipeline/errors.ts';
import { readConfigFile } from './config-file.ts';
import { FILE_VARIABLE, readEnvironment } from './environment.ts';
import { type Environment, interpolate } from './interpolate.ts';
import { type Key, keysOfSchema } from './keys.ts';
import { layered, moveCredentials } from './layers.ts';
import { type Problem, problemsOfIssues, problemText, unknownSection } from './problems.ts';
import { crossProblems, warningsOf } from './rules.ts';
import { type SectionName, type Settings, sections, TYPE_OF_KEY } from './schema.ts';
import { freezeTree, isTree, type Tree, valueAt } from './tree.ts';

/** The configuration in force: complete, valid and frozen. */
export interface Config extends Settings {
  /** What works but should not stay so, one sentence each. */
  readonly warnings: readonly string[];
  /** Where each key that is not a default came from, by path. */
  readonly origins: Readonly<Record<string, string>>;
}

export interface LoadOptions {
  /** YAML or JSON file. Default: what `SLUICE_CONFIG` names, or none. */
  readonly file?: string;
  /** Values in place of a file, for pipelines composed in code. Not with `file`. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** `process.env`, or what a test puts in its place. */
  readonly environment: Environment;
}

/**
 * Reads the configuration: built-in defaults, then the file, then `SLUICE_…` variables, of which a later one wins.
 *
 * @throws SluiceError E1001 that lists every problem at once: key, rule and value seen, never a secret.
 */
export function loadConfig({ environment, file: given, values = {} }: LoadOptions): Config {
  const keys = keysOfSchema();
  const file = given ?? (environment[FILE_VARIABLE] || undefined);
  const read = file === undefined ? { values, problems: [] } : readConfigFile(file);
  const fromFile = interpolate(read.values, keys, environment);
  const fromEnvironment = readEnvironment(environment, keys);
  const early = [...read.problems, ...fromFile.problems, ...fromEnvironment.problems];
  // Without the file every section would look wrong for want of it.
  if (read.problems.length > 0) throw refusal(early, file);

  const tree = layered(fromFile.values, fromEnvironment, keys);
  const credentials = moveCredentials(tree);
  const { problems, settings } = parse(tree, keys, fromFile.shown, fromEnvironment.origins);
  // A text whose variable is missing fails its rule too; the missing variable says it better.
  const told = new Set(fromFile.problems.map(({ path }) => path));
  const all = [
    ...early,
    ...credentials.problems,
    ...problems.filter(({ path }) => !told.has(path)),
    ...crossProblems(settings),
  ];
  if (all.length > 0) throw refusal(all, file);

  const complete = settings as Settings;
  const origins: Record<string, string> = {};
  for (const { path } of keys.values()) {
    if (fromEnvironment.values.has(path)) origins[path] = fromEnvironment.origins.get(path) ?? 'environment';
    else if (valueAt(fromFile.values, path) !== undefined && valueAt(tree, path) !== undefined)
      origins[path] = file ?? 'values';
  }
  for (const section of Object.keys(TYPE_OF_KEY))
    if (tree[section] !== undefined) origins[`${section}.type`] ??= 'implied';
  for (const path of credentials.moved) origins[path] = `${path.split('.')[0]}.url`;
  return freezeTree({ ...complete, warnings: warningsOf(complete), origins });
}

/** Parses each section by itself, so that a wrong one does not hide what is wrong with another. */
function parse(
  tree: Tree,
  keys: ReadonlyMap<string, Key>,
  shown: ReadonlyMap<string, string>,
  variables: ReadonlyMap<string, string>,
): { settings: Partial<Settings>; problems: readonly Problem[] } {
  const settings: Partial<Record<SectionName, unknown>> = {};
  const problems: Problem[] = [];
  for (const name of Object.keys(tree)) if (!Object.hasOwn(sections, name)) problems.push(unknownSection(name, keys));
  for (const [section, schema] of Object.entries(sections)) {
    const value = tree[section];
    if (section === 'source' && (value === undefined || (isTree(value) && value.type === undefined))) {
      problems.push({ path: 'source', rule: 'is required: set source.brokers for Kafka, or source.path for a file' });
      continue;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) settings[section as SectionName] = parsed.data;
    else problems.push(...problemsOfIssues(parsed.error.issues, { keys, section, value, shown, variables }));
  }
  return { settings: settings as Partial<Settings>, problems };
}

function refusal(problems: readonly Problem[], file: string | undefined): SluiceError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const place = file === undefined ? '' : ` of ${file}`;
  return new SluiceError('E1001', `the configuration${place} has ${count}`, {
    detail: problems.map(problemText).join('; '),
    remedy: `${file === undefined ? 'No file was named (--config FILE or SLUICE_CONFIG); keys' : 'Keys'} and defaults are in docs/configuration.md`,
  });
}
