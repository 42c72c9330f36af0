import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../src/sinks/byte-writer.ts';
import { anyText } from './any-text.ts';

const anyByte = fc.integer({ min: 0, max: 0xff }).map((byte) => String.fromCharCode(byte));
const binary = fc.string({ unit: anyByte, maxLength: 12 });
const written = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('text'), text: anyText() }),
    fc.record({ kind: fc.constant('binary'), text: binary }),
    fc.record({ kind: fc.constant('replace'), text: binary, from: fc.nat(), count: fc.nat({ max: 20 }) }),
  ),
);

test('texts stand one behind the other, or in the place of bytes before, whatever room there was at first', () => {
  fc.assert(
    fc.property(written, fc.integer({ min: 1, max: 200 }), (steps, size) => {
      const writer = new ByteWriter(size);
      let expected = Buffer.alloc(0);
      for (const step of steps) {
        const { kind, text } = step;
        if ('from' in step) {
          const from = step.from % (expected.length + 1);
          const to = Math.min(from + step.count, expected.length);
          writer.replace(from, to, text);
          expected = Buffer.concat([expected.subarray(0, from), Buffer.from(text, 'latin1'), expected.subarray(to)]);
        } else if (kind === 'text') {
          writer.text(text);
          expected = Buffer.concat([expected, Buffer.from(text)]);
        } else {
          writer.binary(text);
          expected = Buffer.concat([expected, Buffer.from(text, 'latin1')]);
        }
        assert.equal(writer.size, expected.length);
      }
      assert.deepEqual(writer.bytes(), expected);
    }),
  );
});
