import type { Kind } from './fields.ts';

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1 << 10, MiB: 1 << 20, GiB: 1 << 30 };
const DURATIONS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Bytes of `5MiB`, `64KiB`, `1.5GiB` or `1024`; what is none of them is given back for the schema to refuse. */
export function bytesOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const match = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB)?$/.exec(value.trim());
  if (match === null) return value;
  return Math.round(Number(match[1]) * (UNITS[match[2] ?? 'B'] ?? 1));
}

/** The shortest exact way to write a number of bytes: `64MiB`, `1000B`. */
export function bytesText(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const size = UNITS[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

/**
 * Milliseconds of a duration with its unit: `500ms`, `30s`, `1h`.
 *
 * @throws RangeError when it is none.
 */
export function durationMs(text: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  if (match === null) throw new RangeError(`a duration is a whole number with ms, s, m, h or d, got ${text}`);
  return Number(match[1]) * (DURATIONS[match[2] ?? 'ms'] ?? 1);
}

/** What a text from the environment (or from `${…}` in the file) means for a key of this kind; unusable text stays text. */
export function valueOfText(kind: Kind, text: string): unknown {
  const trimmed = text.trim();
  switch (kind) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : text;
    case 'boolean':
      return { true: true, '1': true, false: false, '0': false }[trimmed.toLowerCase()] ?? text;
    case 'list':
    case 'rules':
      return listOf(trimmed) ?? text;
    default:
      return text;
  }
}

/** A JSON list, or words between commas. */
function listOf(text: string): unknown {
  if (!text.startsWith('[')) {
    const words = text.split(',').map((word) => word.trim());
    return words.filter((word) => word !== '');
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
