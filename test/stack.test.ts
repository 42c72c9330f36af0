import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clusterId } from '../scripts/stack/kafka.mjs';

test('the id of a Kafka cluster is never taken for an option, whatever bytes it is made of', () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const first = fc.oneof(fc.constantFrom(0xf8, 0xf9, 0xfa, 0xfb), fc.nat(255)); // those four begin with a dash in base64url
  fc.assert(
    fc.property(first, bytes, (byte, rest) => {
      assert.match(clusterId(Uint8Array.from([byte, ...rest.subarray(1)])), /^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/);
    }),
  );
});
