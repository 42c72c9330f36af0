const COLORS: Readonly<Record<string, number>> = { trace: 90, debug: 90, info: 36, warn: 33, error: 31, fatal: 31 };
/** Said once a line by their place, or the same on every line. */
const PLACED = new Set(['time', 'level', 'msg', 'component', 'service', 'version', 'instance']);

/** One JSON log line as a person reads it: `12:30:01.042 WARN  index: message code=E3001 table=shop.orders`. */
export function prettyLine(json: string, hasColor: boolean): string {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const level = String(line.level);
  const color = hasColor ? COLORS[level] : undefined;
  const name = level.toUpperCase().padEnd(5);
  const shownLevel = color === undefined ? name : `\u001b[${color}m${name}\u001b[39m`;
  const component = line.component === undefined ? '' : `${String(line.component)}: `;
  const rest = Object.entries(line).filter(([key]) => !PLACED.has(key));
  const fields = rest.map(([key, value]) => ` ${key}=${wordOf(value)}`).join('');
  return `${String(line.time).slice(11, 23)} ${shownLevel} ${component}${plain(String(line.msg))}${fields}\n`;
}

function wordOf(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=\p{Cc}\p{Cf}]+$/u.test(value)) return value;
  return plain(JSON.stringify(value) ?? '');
}

/** Control characters escaped: a terminal would obey them. */
function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}
