import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { checksumOf } from '../../src/pipeline/change.ts';
import { documentOf, textOf } from '../../src/pipeline/json-document.ts';
import { anyText } from '../sinks/any-text.ts';

/** Any UTF-16 units, halves of surrogate pairs among them. */
const anyUnits = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })));
const anyString = fc.oneof(
  anyText(),
  anyUnits.map((units) => String.fromCharCode(...units)),
);
/** Around 64 KiB of UTF-8 and far beyond. */
const longText = fc
  .record({
    unit: fc.constantFrom('a', 'é', '語', '😀'),
    bytes: fc.constantFrom(2 ** 16, 2 ** 16, 2 ** 18),
    around: fc.integer({ min: -4, max: 4 }),
    end: anyText({ maxLength: 3 }),
  })
  .map(({ around, bytes, end, unit }) => unit.repeat(bytes / Buffer.byteLength(unit) + around) + end);

test('an ASCII text is its own document', () => {
  assert.equal(documentOf('{"id":1,"name":"a"}'), '{"id":1,"name":"a"}');
});

test('the text of a document is the text it was made of', () => {
  fc.assert(
    fc.property(fc.oneof(anyText(), longText), (text) => {
      assert.equal(textOf(documentOf(text)), text);
    }),
  );
});

test('a document holds the bytes of the UTF-8 of its text, one a character, with U+FFFD for half a surrogate pair', () => {
  fc.assert(
    fc.property(anyString, (text) => {
      const document = documentOf(text);
      assert.equal(document.length, Buffer.byteLength(text));
      assert.deepEqual(Buffer.from(document, 'latin1'), Buffer.from(text));
      assert.equal(textOf(document), text.toWellFormed());
    }),
  );
});

test('the checksum of a document is the SHA-1 of the UTF-8 of its text, however long it is', () => {
  fc.assert(
    fc.property(fc.oneof(anyString, longText), (text) => {
      assert.equal(checksumOf(documentOf(text)), createHash('sha1').update(text, 'utf8').digest('hex'));
    }),
  );
});
