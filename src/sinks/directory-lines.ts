/** What a directory index knows of a key: its newest version, and the document of that version or null when it deleted. */
export interface IndexRow {
  readonly version: number;
  readonly document: string | null;
}

/** One row as a line: `{"_id":…,"_version":…,"_source":…}` with the document's own text, or `"_deleted":true` for a delete. */
export function lineOf(key: string, { version, document }: IndexRow): string {
  const rest = document === null ? '"_deleted":true' : `"_source":${document.replaceAll('\n', ' ')}`;
  return `{"_id":${JSON.stringify(key)},"_version":${version},${rest}}\n`;
}

const VERSION = ',"_version":';
const SOURCE = ',"_source":';

/**
 * Reads a line back, the document byte for byte; null when it is none of ours. The marks cannot stand inside the key:
 * there every quote has a backslash before it, and these have a comma.
 */
export function parseLine(line: string): (IndexRow & { key: string }) | null {
  const versionAt = line.indexOf(VERSION);
  if (versionAt < 0 || !line.startsWith('{"_id":') || !line.endsWith('}')) return null;
  const sourceAt = line.indexOf(SOURCE, versionAt);
  try {
    const key: unknown = JSON.parse(line.slice('{"_id":'.length, versionAt));
    if (typeof key !== 'string') return null;
    if (sourceAt < 0) {
      const { _version: version, _deleted: isDeleted } = JSON.parse(line);
      return isDeleted === true && Number.isSafeInteger(version) ? { key, version, document: null } : null;
    }
    const version = Number(line.slice(versionAt + VERSION.length, sourceAt));
    return Number.isSafeInteger(version) ? { key, version, document: line.slice(sourceAt + SOURCE.length, -1) } : null;
  } catch {
    return null;
  }
}
