const PLAIN_INTEGER = /^(?:0|-?[1-9]\d*)$/;
const INTEGER = /^([+-]?)0*(\d+)$/;
const PLAIN_DECIMAL = /^-?[1-9]\d*\.\d+$/;
const DECIMAL = /^([+-]?)0*(\d+)(?:\.(\d*))?$/;
const FLOAT = /^([+-]?)0*(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** An integer as a JSON number token, digit for digit: no JavaScript number is made of it. Undefined when it is none. */
export function integerToken(text: string): string | undefined {
  if (PLAIN_INTEGER.test(text)) return text;
  const match = INTEGER.exec(text);
  if (!match) return undefined;
  const digits = match[2] as string;
  return match[1] === '-' && digits !== '0' ? `-${digits}` : digits;
}

/**
 * A decimal as a JSON number token with `scale` digits after the point (Canal prints zero as `0.0` and 1.0000 as `1.0`).
 * Digits beyond the scale are kept unless they are zeros. `scale` null: as many as it has.
 */
export function decimalToken(text: string, scale: number | null): string | undefined {
  if (PLAIN_DECIMAL.test(text) && text.length - text.indexOf('.') - 1 === scale) return text;
  const match = DECIMAL.exec(text);
  if (!match) return undefined;
  const digits = match[2] as string;
  let fraction = match[3] ?? '';
  if (scale !== null) {
    if (fraction.length > scale) fraction = fraction.slice(0, scale) + fraction.slice(scale).replace(/0+$/, '');
    fraction = fraction.padEnd(scale, '0');
  }
  const sign = match[1] === '-' && /[1-9]/.test(digits + fraction) ? '-' : '';
  return fraction === '' ? sign + digits : `${sign}${digits}.${fraction}`;
}

/** One text for one decimal value, whatever its scale: `0.0` and `0` are `0`, `1.50` is `1.5`. */
export function decimalKey(text: string): string | undefined {
  const token = decimalToken(text, null);
  return token?.includes('.') ? decimalToken(token.replace(/\.?0+$/, ''), null) : token;
}

/** A float as a valid JSON number token, digits kept: `1.0E10` stays, `.5` gets its zero. Undefined when it is none. */
export function floatToken(text: string): string | undefined {
  const match = FLOAT.exec(text);
  if (!match || text === '') return undefined;
  const [, sign = '', whole = '', fraction = '', exponent] = match;
  // The pattern eats leading zeros, so an empty whole part is a zero only if there was a digit at all.
  if (whole === '' && fraction === '' && !/^[+-]?0/.test(text)) return undefined;
  const point = fraction === '' ? '' : `.${fraction}`;
  return `${sign === '-' ? '-' : ''}${whole === '' ? '0' : whole}${point}${exponent === undefined ? '' : `E${exponent}`}`;
}

/** One text for one floating-point value: `1.0E1` and `10.0` are `10`, minus zero is zero as in MySQL. */
export function floatKey(text: string): string | undefined {
  const token = floatToken(text);
  if (token === undefined) return undefined;
  const value = Number(token);
  // Beyond the range of a double nothing may be folded together.
  return Number.isFinite(value) ? String(value === 0 ? 0 : value) : token;
}
