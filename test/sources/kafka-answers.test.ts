import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Connection, gatherAnswers } from '../../src/sources/kafka-answers.ts';

interface Fulfilled {
  readonly correlationId: number;
  readonly payload: Buffer;
}

const require = createRequire(import.meta.url);
const { prototype } = require('kafkajs/src/network/connection') as { prototype: Connection };

test('answers of any length come whole and in order, however they are cut and though the buffer is used again', () => {
  const length = fc.oneof(fc.nat(300), fc.integer({ min: 65_000, max: 66_000 }), fc.integer({ min: 0, max: 300_000 }));
  const cut = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 65_536 }), fc.constant(65_536));
  fc.assert(
    fc.property(fc.array(length, { maxLength: 6 }), fc.array(cut, { minLength: 1, maxLength: 10 }), (lengths, cuts) => {
      const expected = lengths.map((bytes, correlationId) => ({
        correlationId,
        payload: payloadOf(bytes, correlationId),
      }));
      const { fulfilled, read } = connection();
      const stream = Buffer.concat(expected.map(answerOf));
      const lent = Buffer.alloc(65_536);
      for (let at = 0, step = 0; at < stream.length; step += 1) {
        // Cutting on so finely would take long.
        const bytes = stream.copy(lent, 0, at, at + (cuts[step % cuts.length] as number) * (step < 2000 ? 1 : 65_536));
        read(lent.subarray(0, bytes));
        lent.fill(0xff);
        at += bytes;
      }
      assert.deepEqual(
        fulfilled.map(({ correlationId }) => correlationId),
        expected.map(({ correlationId }) => correlationId),
      );
      for (const [index, { payload }] of fulfilled.entries())
        assert.ok(payload.equals(expected[index]?.payload ?? Buffer.alloc(0)), `answer ${index}`);
    }),
  );
});

test('no memory is taken for an answer that is too long to be one', () => {
  const { connection: own, read } = connection();
  read(Buffer.from('HTTP/1.1 400 Bad Request'));
  assert.deepEqual([own.gathered ?? null, own.bytesBuffered], [null, 24]);
});

function connection() {
  const patched = { processData: prototype.processData } as Connection;
  gatherAnswers(patched);
  const fulfilled: Fulfilled[] = [];
  const requestQueue = { fulfillRequest: (one: Fulfilled) => fulfilled.push(one) };
  const own: Connection = Object.assign(Object.create(patched), {
    bytesBuffered: 0,
    bytesNeeded: 4,
    chunks: [],
    authHandlers: null,
    requestQueue,
  });
  return { connection: own, fulfilled, read: (data: Buffer) => own.processData(data) };
}

function payloadOf(bytes: number, seed: number): Buffer {
  return Buffer.from(Uint32Array.from({ length: bytes >> 2 }, (_, index) => index * 31 + seed).buffer);
}

function answerOf({ correlationId, payload }: Fulfilled): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + payload.length, 0);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, payload]);
}
