import fc from 'fast-check';

/** Any text that UTF-8 can hold, control characters included. (fast-check's `unit: 'binary'` needs a second to start.) */
export function anyText(constraints: { minLength?: number; maxLength?: number } = {}): fc.Arbitrary<string> {
  const codePoint = fc.oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0x80, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  );
  return fc.string({ ...constraints, unit: codePoint.map((code) => String.fromCodePoint(code)) });
}
