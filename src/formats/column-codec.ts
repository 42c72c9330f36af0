import { escapeKeyPart } from './document-key.ts';
import type { ColumnType } from './mysql-types.ts';
import { decimalKey, decimalToken, floatKey, floatToken, integerToken } from './numeric.ts';
import { base64Json, bytesOf, textOfBytes } from './shown-bytes.ts';
import { dateJson, dateTimeJson, temporalKey, timeJson, timestampJson } from './temporal.ts';

export interface CodecOptions {
  readonly decimals: 'string' | 'number';
  readonly booleans: 'number' | 'boolean';
  /** Zone in which Canal printed TIMESTAMPs. */
  readonly canalZone: string;
  /** Canal took this text column for a blob (sqlType 2004): its characters are the bytes of UTF-8 text. */
  readonly isShownAsBytes: boolean;
}

/**
 * How values that are plain can be copied into a document, byte by byte: as text in quotes, as an integer, as a decimal of
 * just `scale` digits, as a day or as a moment. A value that would take more than that is not copied.
 */
export interface PlainCopy {
  readonly kind: 'text' | 'integer' | 'decimal' | 'quoted-decimal' | 'date' | 'date-time';
  /** Digits behind the point, 1 or more; of a decimal alone. */
  readonly scale: number;
}

/** What is done with the texts of one column. Both answer undefined for a text that the column's type cannot hold. */
export interface ColumnCodec {
  readonly type: ColumnType;
  /** A finished piece of JSON. */
  json(text: string): string | undefined;
  /** Gives the same as `json`, and does it faster, for the values that it takes; null when there are none. */
  readonly copy: PlainCopy | null;
  /** True when the text of a value that `copy` takes is its own `keyPart`, and ASCII. */
  readonly isKeyWhenCopied: boolean;
  /** A piece of a document id: escaped, never empty, the same for the same value and no other. */
  keyPart(text: string): string | undefined;
}

const INTEGERS = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint']);
const TEXTS = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext']);
const BLOBS = new Set(['varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob']);
const GEOMETRIES = new Set([
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
]);
/** ENUM index 0, the value of a refused label. No escape sequence looks like this. */
const NO_LABEL = '%~0';
/** MySQL itself refuses JSON that is nested deeper than 100. */
const MAX_JSON_DEPTH = 128;

type Convert = (text: string) => string | undefined;

/** True for the types that Canal may show as bytes by mistake. */
export function isTexty({ base }: ColumnType): boolean {
  return TEXTS.has(base) || base === 'json';
}

/** True for columns that binlog_row_image=NOBLOB leaves out. */
export function isLong({ base }: ColumnType): boolean {
  return base.endsWith('text') || base.endsWith('blob') || base === 'json' || GEOMETRIES.has(base);
}

/** Kind of a type, for those who decide by it: codecs and index mappings. */
export function kindOf({ base }: ColumnType): string {
  if (INTEGERS.has(base)) return 'integer';
  if (TEXTS.has(base)) return 'text';
  if (BLOBS.has(base)) return 'blob';
  return GEOMETRIES.has(base) ? 'geometry' : base;
}

/** Makes the codec of a column. Decides by the declared type alone; values are checked by grammar and copied, not computed. */
export function columnCodec(type: ColumnType, options: CodecOptions): ColumnCodec {
  const json = jsonOf(type, options);
  const key = keyOf(type);
  const isLabelled = type.base === 'enum' && type.labels.length > 0;
  const repair = options.isShownAsBytes && isTexty(type) ? textOfBytes : null;
  return {
    type,
    json: repair ? (text) => json(repair(text)) : json,
    copy: repair ? null : copyOf(type, json, options),
    isKeyWhenCopied: !repair && json === integerToken && key === integerToken,
    keyPart(text) {
      if (isLabelled && text === '0') return NO_LABEL;
      const canonical = key(repair ? repair(text) : text);
      return canonical === undefined ? undefined : escapeKeyPart(canonical);
    },
  };
}

function jsonOf(type: ColumnType, options: CodecOptions): Convert {
  const { args, labels } = type;
  switch (kindOf(type)) {
    case 'integer':
      return type.base === 'tinyint' && args[0] === 1 && options.booleans === 'boolean' ? booleanJson : integerToken;
    case 'decimal': {
      const scale = scaleOf(type);
      if (options.decimals === 'number') return (text) => decimalToken(text, scale);
      return (text) => quotedToken(decimalToken(text, scale));
    }
    case 'float':
    case 'double':
      return (text) => floatToken(text) ?? (/^(?:NaN|-?Infinity)$/.test(text) ? `"${text}"` : undefined);
    case 'bit':
      return (args[0] ?? 1) === 1 ? booleanJson : integerToken;
    case 'date':
      return dateJson;
    case 'datetime':
      return dateTimeJson;
    case 'timestamp':
      return timestampJson(options.canalZone);
    case 'time':
      return timeJson;
    case 'year':
      return integerToken;
    case 'enum':
      return labels.length === 0 ? JSON.stringify : (text) => quoted(enumLabel(text, labels));
    case 'set':
      return labels.length === 0 ? JSON.stringify : (text) => setJson(text, labels);
    case 'json':
      return jsonText;
    case 'binary':
      return (text) => base64Json(text, args[0] ?? 1);
    case 'blob':
    case 'geometry':
      return (text) => base64Json(text, 0);
    default:
      return JSON.stringify;
  }
}

function copyOf(type: ColumnType, json: Convert, { decimals }: CodecOptions): PlainCopy | null {
  switch (json) {
    case JSON.stringify:
      return { kind: 'text', scale: 0 };
    case integerToken:
      return { kind: 'integer', scale: 0 };
    case dateJson:
      return { kind: 'date', scale: 0 };
    case dateTimeJson:
      return { kind: 'date-time', scale: 0 };
  }
  const scale = type.base === 'decimal' ? scaleOf(type) : null;
  return scale === null || scale === 0 ? null : { kind: decimals === 'string' ? 'quoted-decimal' : 'decimal', scale };
}

function keyOf(type: ColumnType): Convert {
  const { args, labels } = type;
  switch (kindOf(type)) {
    case 'integer':
    case 'bit':
    case 'set':
    case 'year':
      return integerToken;
    case 'decimal':
      return decimalKey;
    case 'float':
    case 'double':
      return floatKey;
    case 'date':
    case 'datetime':
    case 'timestamp':
    case 'time':
      return temporalKey;
    case 'enum':
      return labels.length === 0 ? (text) => text : (text) => enumLabel(text, labels);
    case 'binary':
      return (text) => bytesOf(text, args[0] ?? 1)?.toString('hex');
    case 'blob':
    case 'geometry':
      return (text) => bytesOf(text, 0)?.toString('hex');
    default:
      return (text) => text;
  }
}

/** Digits after the point of DECIMAL(p,s); null when the type does not say (some writers leave it out). */
function scaleOf({ args }: ColumnType): number | null {
  return args.length === 0 ? null : (args[1] ?? 0);
}

function quotedToken(token: string | undefined): string | undefined {
  return token === undefined ? undefined : `"${token}"`;
}

function quoted(text: string | undefined): string | undefined {
  return text === undefined ? undefined : JSON.stringify(text);
}

function booleanJson(text: string): string | undefined {
  const token = integerToken(text);
  if (token === undefined) return undefined;
  return token === '0' ? 'false' : 'true';
}

/** The label of an index from 1. The text is always an index, even where a label looks like a number. */
function enumLabel(text: string, labels: readonly string[]): string | undefined {
  if (text === '0') return '';
  return /^[1-9]\d{0,4}$/.test(text) ? labels[Number(text) - 1] : undefined;
}

function setJson(text: string, labels: readonly string[]): string | undefined {
  if (!/^\d{1,20}$/.test(text)) return undefined;
  const mask = BigInt(text);
  if (mask >> BigInt(labels.length) !== 0n) return undefined;
  return JSON.stringify(labels.filter((_, bit) => (mask >> BigInt(bit)) & 1n));
}

/**
 * JSON text as it is, so that big numbers and the order of keys survive; what is not JSON becomes a string. A row image
 * with `JSON_REPLACE(…)` in place of a value (binlog_row_value_options=PARTIAL_JSON) is no value at all.
 */
function jsonText(text: string): string | undefined {
  if (/^JSON_[A-Z_]+\(/.test(text)) return undefined;
  try {
    JSON.parse(text);
  } catch {
    return JSON.stringify(text);
  }
  if (depthOf(text) > MAX_JSON_DEPTH) return JSON.stringify(text);
  // Line breaks are legal between JSON tokens and would end a line of a bulk request; inside strings they cannot occur.
  return /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, ' ') : text;
}

/** Deepest nesting of valid JSON text. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [mark] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (mark === '[' || mark === '{') deepest = Math.max(deepest, ++depth);
    else if (mark === ']' || mark === '}') depth -= 1;
  }
  return deepest;
}
