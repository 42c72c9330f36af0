import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../src/sinks/byte-writer.ts';
import { anyText } from './any-text.ts';

const ascii = fc.string({ unit: 'binary-ascii', maxLength: 12 });
const written = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('text'), text: anyText() }),
    fc.record({ kind: fc.constant('ascii'), text: ascii }),
    fc.record({ kind: fc.constant('insert'), text: ascii, place: fc.nat() }),
  ),
);

test('texts stand one behind the other, whatever room there was at first', () => {
  fc.assert(
    fc.property(written, fc.integer({ min: 1, max: 200 }), (steps, size) => {
      const writer = new ByteWriter(size);
      let expected = Buffer.alloc(0);
      for (const step of steps) {
        const { kind, text } = step;
        if ('place' in step) {
          const place = step.place % (expected.length + 1);
          writer.insertAscii(place, text);
          expected = Buffer.concat([expected.subarray(0, place), Buffer.from(text), expected.subarray(place)]);
          continue;
        }
        if (kind === 'text') writer.text(text);
        else writer.ascii(text);
        expected = Buffer.concat([expected, Buffer.from(text)]);
        assert.equal(writer.size, expected.length);
      }
      assert.deepEqual(writer.bytes(), expected);
    }),
  );
});
