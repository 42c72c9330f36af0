import { keysOfSchema } from './keys.ts';
import type { Config } from './load.ts';
import { Secret } from './secret.ts';
import { isTree, valueAt } from './tree.ts';
import { bytesText } from './value-texts.ts';

/** One key of the configuration in force. */
export interface ConfigLine {
  readonly key: string;
  /** As the file would hold it; `[redacted]` for a secret. */
  readonly value: string;
  /** `default`, the file, a variable, or the URL it was part of. */
  readonly origin: string;
}

/** The configuration in force, key by key, with where each value came from and every secret masked. */
export function describeConfig(config: Config): readonly ConfigLine[] {
  const lines: ConfigLine[] = [];
  for (const { kind, path } of keysOfSchema().values()) {
    const value = valueAt(config, path);
    if (value === undefined) continue;
    const text =
      value instanceof Secret
        ? String(value)
        : kind === 'bytes' && typeof value === 'number'
          ? bytesText(value)
          : textOf(value);
    lines.push({ key: path, value: text, origin: config.origins[path] ?? 'default' });
  }
  return lines;
}

function textOf(value: unknown): string {
  return isTree(value) || Array.isArray(value) ? JSON.stringify(value) : String(value);
}
