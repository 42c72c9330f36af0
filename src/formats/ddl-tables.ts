/** A table that a statement names. */
export interface NamedTable {
  readonly database: string;
  readonly name: string;
}

const MAX_SQL_LENGTH = 65_536;
const MAX_TABLES = 1000;

/**
 * The tables a RENAME or DROP statement touches, both names of a rename included. Canal's own fields name only the first.
 * Reads no more than names and the words between them; a statement it does not understand gives just the table of the message.
 */
export function ddlTables(sql: string, database: string, table: string): readonly NamedTable[] {
  const named = new Map<string, NamedTable>();
  const add = (tableDatabase: string, name: string): void => {
    if (named.size < MAX_TABLES) named.set(`${tableDatabase}\0${name}`, { database: tableDatabase, name });
  };
  add(database, table);
  const words = wordsOf(sql.slice(0, MAX_SQL_LENGTH));
  for (let at = firstName(words); words[at]?.isName; ) {
    const first = words[at] as Word;
    const second = words[at + 1]?.text === '.' ? words[at + 2] : undefined;
    if (second?.isName) add(first.text, second.text);
    else add(database, first.text);
    at += second ? 3 : 1;
    // Between two names stands a comma, TO, AS or (ALTER TABLE) RENAME; anything else ends what is understood.
    const between = at;
    while (words[at] && (words[at]?.text === ',' || isKeyword(words[at] as Word, 'TO', 'AS', 'RENAME'))) at += 1;
    if (at === between) break;
  }
  return [...named.values()];
}

interface Word {
  readonly text: string;
  readonly isName: boolean;
  readonly isQuoted: boolean;
}

/** Place of the first table name after RENAME TABLE, DROP TABLE (IF EXISTS) or ALTER TABLE … RENAME; -1 if it is another statement. */
function firstName(words: readonly Word[]): number {
  const verb = words.findIndex((word) => /^(RENAME|DROP|ALTER)$/i.test(word.text) && !word.isQuoted);
  let at = verb < 0 ? -1 : words.findIndex((word, place) => place > verb && /^TABLES?$/i.test(word.text));
  if (at < 0) return -1;
  at += 1;
  while (at < words.length && /^(IF|EXISTS|NOT)$/i.test((words[at] as Word).text)) at += 1;
  return at;
}

function isKeyword(word: Word, ...keywords: readonly string[]): boolean {
  return !word.isQuoted && keywords.includes(word.text.toUpperCase());
}

function wordsOf(sql: string): Word[] {
  const plain = sql.replaceAll(/\/\*[\s\S]*?\*\/|(?:--\s|#)[^\n]*/g, ' ');
  const words: Word[] = [];
  for (const [text] of plain.matchAll(/`(?:[^`]|``)*`|"(?:[^"]|"")*"|[\p{L}\p{N}_$-]+|[.,]|\S/gu)) {
    const quote = text.length > 1 && (text[0] === '`' || text[0] === '"') ? text[0] : null;
    if (quote !== null) {
      words.push({ text: text.slice(1, -1).replaceAll(quote + quote, quote), isName: true, isQuoted: true });
    } else words.push({ text, isName: /^[\p{L}\p{N}_$-]+$/u.test(text), isQuoted: false });
  }
  return words;
}
