/** A column type, read from Canal's `mysqlType` text. */
export interface ColumnType {
  /** Lower case, synonyms resolved: `int`, `decimal`, `varchar`, … `unknown` when there is no text. */
  readonly base: string;
  /** Numbers in the brackets: width, precision and scale, fraction digits. */
  readonly args: readonly number[];
  readonly unsigned: boolean;
  readonly zerofill: boolean;
  /** Labels of ENUM and SET, in order; empty when the text names none. */
  readonly labels: readonly string[];
}

const SYNONYMS: Readonly<Record<string, string>> = {
  int1: 'tinyint',
  int2: 'smallint',
  int3: 'mediumint',
  middleint: 'mediumint',
  int4: 'int',
  integer: 'int',
  int8: 'bigint',
  dec: 'decimal',
  numeric: 'decimal',
  fixed: 'decimal',
  number: 'decimal',
  float4: 'float',
  float8: 'double',
  real: 'double',
  'double precision': 'double',
  character: 'char',
  nchar: 'char',
  'national char': 'char',
  'national character': 'char',
  'character varying': 'varchar',
  'char varying': 'varchar',
  nvarchar: 'varchar',
  varchar2: 'varchar',
  varcharacter: 'varchar',
  'national varchar': 'varchar',
  'national character varying': 'varchar',
  'national char varying': 'varchar',
  'long varchar': 'mediumtext',
  long: 'mediumtext',
  'long varbinary': 'mediumblob',
  geomcollection: 'geometrycollection',
  'char byte': 'binary',
};
/** Words that may follow the name and belong to it. */
const SECOND_WORDS = new Set(['precision', 'varying', 'char', 'character', 'varchar', 'varbinary', 'byte']);
const MAX_CACHED = 4096;
const cache = new Map<string, ColumnType>();

/**
 * Reads a MySQL column type as SHOW CREATE TABLE prints it or as somebody typed it in a DDL: any case, synonyms, widths,
 * quoted labels with `''` and `\` escapes. Never throws: what cannot be read is a type of an unknown name.
 *
 * `columnType("ENUM('a','it''s')")` gives base `enum` and the labels `a` and `it's`.
 */
export function columnType(text: string): ColumnType {
  const cached = cache.get(text);
  if (cached) return cached;
  const type = read(text);
  // Type texts come from messages: the cache is emptied when full rather than grown.
  if (cache.size >= MAX_CACHED) cache.clear();
  if (text.length <= 65_536) cache.set(text, type);
  return type;
}

function read(text: string): ColumnType {
  const tokens = tokensOf(text);
  let place = 0;
  let name = tokens[place++]?.word ?? '';
  while (SECOND_WORDS.has(tokens[place]?.word ?? '')) name += ` ${tokens[place++]?.word}`;
  const args: number[] = [];
  const labels: string[] = [];
  if (tokens[place]?.mark === '(') {
    for (place += 1; place < tokens.length && tokens[place]?.mark !== ')'; place += 1) {
      const token = tokens[place];
      if (token?.label !== undefined) labels.push(token.label);
      else if (token?.word !== undefined && /^\d{1,9}$/.test(token.word)) args.push(Number(token.word));
    }
  }
  const rest = new Set(tokens.slice(place).map((token) => token.word));
  return resolved(name, args, labels, rest);
}

function resolved(name: string, args: number[], labels: string[], rest: ReadonlySet<string | undefined>): ColumnType {
  const zerofill = rest.has('zerofill');
  const type = { args, labels, zerofill, unsigned: zerofill || rest.has('unsigned') };
  if (name === 'bool' || name === 'boolean') return { ...type, base: 'tinyint', args: [1] };
  if (name === 'serial') return { ...type, base: 'bigint', unsigned: true };
  const base = Object.hasOwn(SYNONYMS, name) ? (SYNONYMS[name] as string) : name;
  // FLOAT(p) with p > 24 is a DOUBLE in MySQL.
  if (base === 'float' && args.length === 1 && (args[0] as number) > 24) return { ...type, base: 'double', args: [] };
  return { ...type, base: base === '' ? 'unknown' : base };
}

interface Token {
  readonly word?: string;
  readonly mark?: string;
  readonly label?: string;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const character = text[at] as string;
    if (character === "'" || character === '"') {
      const { label, end } = quoted(text, at);
      tokens.push({ label });
      at = end;
    } else if (/[\p{L}\p{N}_$]/u.test(character)) {
      const start = at;
      while (at < text.length && /[\p{L}\p{N}_$]/u.test(text[at] as string)) at += 1;
      tokens.push({ word: text.slice(start, at).toLowerCase() });
    } else {
      if (!/\s/.test(character)) tokens.push({ mark: character });
      at += 1;
    }
  }
  return tokens;
}

const ESCAPES: Readonly<Record<string, string>> = { '0': '\0', n: '\n', r: '\r', t: '\t', b: '\b', Z: '\x1a' };

/** Reads a quoted label from its opening quote on. A label that never ends takes the rest of the text. */
function quoted(text: string, start: number): { label: string; end: number } {
  const quote = text[start];
  let label = '';
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at] as string;
    if (character === '\\' && at + 1 < text.length) {
      at += 1;
      const escaped = text[at] as string;
      label += Object.hasOwn(ESCAPES, escaped) ? ESCAPES[escaped] : escaped;
    } else if (character !== quote) {
      label += character;
    } else if (text[at + 1] === quote) {
      label += character;
      at += 1;
    } else {
      return { label, end: at + 1 };
    }
  }
  return { label, end: text.length };
}
