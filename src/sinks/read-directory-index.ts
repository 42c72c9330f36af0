import { readdirSync } from 'node:fs';
import { readIndexFiles } from './directory-files.ts';

export interface FoundDocument {
  readonly version: number;
  /** The document's text, byte for byte as it was written. */
  readonly source: string;
}

/** Reads every index of a directory: documents by id, by index. Also while a sink writes there, or after it crashed. */
export function readDirectoryIndex(path: string): Map<string, Map<string, FoundDocument>> {
  const names = new Set<string>();
  for (const file of readdirSync(path)) {
    const name = /^(.+)\.(?:ndjson|tombstones|log)$/.exec(file)?.[1];
    if (name !== undefined) names.add(name);
  }
  const found = new Map<string, Map<string, FoundDocument>>();
  for (const name of names) {
    const { rows } = readIndexFiles(path, name);
    const documents = new Map<string, FoundDocument>();
    for (const [key, { version, document }] of rows)
      if (document !== null) documents.set(key, { version, source: document });
    found.set(name, documents);
  }
  return found;
}
