import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { documentOf } from '../../src/pipeline/json-document.ts';
import { ByteWriter } from '../../src/sinks/byte-writer.ts';
import { writeJsonString } from '../../src/sinks/json-string.ts';
import { anyText } from './any-text.ts';

function writtenOf(text: string, before = ''): string {
  const writer = new ByteWriter(8);
  writer.text(before);
  writeJsonString(writer, documentOf(text));
  return writer.bytes().toString();
}

/** Texts as documents are: about every fifth character is escaped. */
const likeDocuments = fc
  .array(
    fc.oneof(
      fc.constantFrom('"', '"', '\\', '\n', '\u0000', '\u001f', '\u007f', 'é', '北', '😀'),
      anyText({ maxLength: 8 }),
    ),
  )
  .map((parts) => parts.join(''));

test('a document is written as JSON.stringify writes its text', () => {
  fc.assert(
    fc.property(fc.oneof(anyText(), likeDocuments), anyText({ maxLength: 3 }), (text, before) => {
      assert.equal(writtenOf(text, before), before + JSON.stringify(text));
    }),
  );
});

test('every byte is written as JSON.stringify writes it, at every place among others', () => {
  for (let code = 0; code < 0x80; code += 1) {
    for (let place = 0; place < 34; place += 1) {
      const text = `${'x'.repeat(place)}${String.fromCharCode(code)}${'y'.repeat(33 - place)}`;
      assert.equal(writtenOf(text), JSON.stringify(text));
    }
  }
});

test('a document of 64 KiB is written as JSON.stringify writes it, and so is a longer one, of what takes most room', () => {
  for (const length of [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 200_000]) {
    for (const character of ['a', '"', '\u0001']) {
      const text = character.repeat(length);
      assert.equal(writtenOf(text), JSON.stringify(text));
    }
  }
});
