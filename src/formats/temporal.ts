import { instantIn } from './zoned-time.ts';

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(\.\d{1,9})?$/;
/** Nearly every value: a day that every month has, so nothing is left to work out. */
const PLAIN_DATE_TIME =
  /^(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8]) (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?$/;
const TIME = /^-?\d{2,3}:\d\d:\d\d(?:\.\d{1,9})?$/;
const MONTH_DAYS = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** JSON of a DATE: the same text, null for a zero or impossible date. Undefined when the text is no date at all. */
export function dateJson(text: string): string | undefined {
  const match = DATE.exec(text);
  if (!match) return undefined;
  return isDay(Number(match[1]), Number(match[2]), Number(match[3])) ? `"${text}"` : 'null';
}

/** JSON of a DATETIME, which has no zone: read as UTC, all fraction digits kept. Zero or impossible ones are null. */
export function dateTimeJson(text: string): string | undefined {
  if (!PLAIN_DATE_TIME.test(text)) {
    const match = DATE_TIME.exec(text);
    if (!match) return undefined;
    if (!isMoment(match)) return 'null';
  }
  return `"${text.slice(0, 10)}T${text.slice(11)}Z"`;
}

/** JSON of TIMESTAMPs that Canal printed in a zone: the instant in UTC, all fraction digits kept. */
export function timestampJson(zone: string): (text: string) => string | undefined {
  if (zone === 'UTC') return dateTimeJson;
  const instantOf = instantIn(zone);
  return (text) => {
    const match = DATE_TIME.exec(text);
    if (!match) return undefined;
    if (!isMoment(match)) return 'null';
    const [, year, month, day, hour, minute, second, fraction = ''] = match;
    const local = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
    return `"${new Date(instantOf(local)).toISOString().slice(0, 19)}${fraction}Z"`;
  };
}

/** JSON of a TIME, a signed span of up to 838 hours: the same text. */
export function timeJson(text: string): string | undefined {
  return TIME.test(text) ? `"${text}"` : undefined;
}

/** One text for one moment, however many fraction digits the column has: zeros at the end go. */
export function temporalKey(text: string): string | undefined {
  if (!DATE.test(text) && !DATE_TIME.test(text) && !TIME.test(text)) return undefined;
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function isDay(year: number, month: number, day: number): boolean {
  if (year === 0 || day === 0 || day > (MONTH_DAYS[month] ?? 0)) return false;
  return month !== 2 || day < 29 || (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0));
}

function isMoment(match: RegExpExecArray): boolean {
  if (!isDay(Number(match[1]), Number(match[2]), Number(match[3]))) return false;
  return Number(match[4]) < 24 && Number(match[5]) < 60 && Number(match[6]) < 60;
}
