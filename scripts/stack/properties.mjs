/** The text of a Java properties file. */
export function propertiesText(settings) {
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${escapeValue(value)}\n`);
  return lines.join('');
}

/** A properties file takes a backslash for the start of an escape. */
function escapeValue(value) {
  return String(value).replaceAll('\\', '\\\\');
}
