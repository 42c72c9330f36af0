import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import type { Problem } from './problems.ts';
import { isTree, type Tree } from './tree.ts';

const MAX_BYTES = 1 << 20;

/** Reads a configuration file, YAML or JSON. The parser's own messages quote the file, so only code and place are told. */
export function readConfigFile(path: string): { values: Tree; problems: readonly Problem[] } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return refused(path, `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  if (text.length > MAX_BYTES) return refused(path, 'must be at most 1 MiB');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems = document.errors.map(({ code, pos }) => {
    const { line, col } = lines.linePos(pos[0]);
    return {
      path,
      rule: `is not valid YAML at line ${line}, column ${col} (${code.toLowerCase().replaceAll('_', ' ')})`,
    };
  });
  if (problems.length > 0) return { values: {}, problems };
  try {
    const values: unknown = document.toJS();
    if (values === null || values === undefined) return { values: {}, problems };
    return isTree(values) ? { values, problems } : refused(path, 'must hold a mapping of keys');
  } catch {
    return refused(path, 'has an alias that cannot be resolved');
  }
}

function refused(path: string, rule: string): { values: Tree; problems: readonly Problem[] } {
  return { values: {}, problems: [{ path, rule }] };
}
