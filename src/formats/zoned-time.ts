const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const MAX_CACHED = 10_000;

/**
 * Returns the function that turns a wall clock reading of a zone into the instant it names. Both are milliseconds since
 * 1970, the reading as if it were UTC. A reading that a change of clocks made happen twice is taken as the first of the
 * two; one that never happened as if the clock had not been changed yet.
 */
export function instantIn(zone: string): (localMs: number) => number {
  if (zone === 'UTC') return (localMs) => localMs;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const cache = new Map<number, number>();

  const offsetAt = (instantMs: number): number => {
    // Zones change their clocks at whole minutes; one lookup of the calendar costs more than a thousand rows' worth of this.
    const minute = Math.floor(instantMs / MINUTE_MS) * MINUTE_MS;
    const cached = cache.get(minute);
    if (cached !== undefined) return cached;
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(minute)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute: minutes = 0, second = 0 } = part;
    const offset = Date.UTC(year, month - 1, day, hour, minutes, second) - minute;
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(minute, offset);
    return offset;
  };

  return (localMs) => {
    const before = localMs - offsetAt(localMs - DAY_MS);
    const after = localMs - offsetAt(localMs + DAY_MS);
    if (before === after || localMs - offsetAt(before) === before) return before;
    return localMs - offsetAt(after) === after ? after : before;
  };
}
