import { readFileSync } from 'node:fs';
import type { Environment } from './interpolate.ts';
import type { Key } from './keys.ts';
import { nearest } from './nearest.ts';
import type { Problem } from './problems.ts';
import { valueOfText } from './value-texts.ts';

export interface EnvironmentValues {
  /** By path of the key. */
  readonly values: ReadonlyMap<string, unknown>;
  /** By path: the name of the variable. */
  readonly origins: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/** Names what the path of the file is taken from. */
export const FILE_VARIABLE = 'SLUICE_CONFIG';

/** Names where the process ends itself: for tests of recovery, never a setting. */
export const CRASH_VARIABLE = 'SLUICE_CRASH_AT';

/** Kubernetes and Docker add these for a service called `sluice`; they are not ours, and one is called like a key of ours. */
const SERVICE_LINK = /^SLUICE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?|PORT)$/;
const isServiceLink = (name: string, value: string): boolean =>
  SERVICE_LINK.test(name) && (!name.endsWith('_HTTP_PORT') || /^(tcp|udp):\/\//.test(value));

/** The values that `SLUICE_…` variables and `…_FILE` secrets hold. An empty variable counts as not set. */
export function readEnvironment(environment: Environment, keys: ReadonlyMap<string, Key>): EnvironmentValues {
  const byName = new Map<string, Key>();
  for (const key of keys.values()) {
    if (key.variable === null) continue;
    byName.set(key.variable, key);
    if (key.isSecret) byName.set(`${key.variable}_FILE`, key);
  }
  const values = new Map<string, unknown>();
  const origins = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [name, text = ''] of Object.entries(environment)) {
    if (
      !name.startsWith('SLUICE_') ||
      name === FILE_VARIABLE ||
      name === CRASH_VARIABLE ||
      text === '' ||
      isServiceLink(name, text)
    )
      continue;
    const key = byName.get(name);
    if (key === undefined) {
      const near = nearest(name, [...byName.keys()]);
      problems.push({ path: name, rule: `is not a known variable${near === null ? '' : ` (did you mean ${near}?)`}` });
      continue;
    }
    const other = origins.get(key.path);
    if (other !== undefined) {
      problems.push({ path: key.path, rule: `is set by both ${other} and ${name}: remove one` });
      continue;
    }
    origins.set(key.path, name);
    if (name === key.variable) values.set(key.path, valueOfText(key.kind, text));
    else readSecretFile(name, text, (value) => values.set(key.path, value), problems);
  }
  if (values.has('source.topics') && values.has('source.topics.pattern')) {
    problems.push({ path: 'source.topics', rule: 'is set both as a list and as a pattern: remove one variable' });
  }
  return { values, origins, problems };
}

/** The path is not told: a password set in place of its file's name would be. */
function readSecretFile(name: string, path: string, use: (value: string) => void, problems: Problem[]): void {
  try {
    const value = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    if (value === '') problems.push({ path: name, rule: 'names an empty file' });
    else use(value);
  } catch (error) {
    problems.push({
      path: name,
      rule: `names a file that cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
    });
  }
}
