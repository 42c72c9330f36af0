import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Command } from 'ioredis';
import { type Change, checksumOf } from '../../src/pipeline/change.ts';
import { documentOf, textOf } from '../../src/pipeline/json-document.ts';
import { ByteWriter } from '../../src/sinks/byte-writer.ts';
import { redisBuffer } from '../../src/sinks/redis-buffer.ts';
import { requestOf } from '../../src/sinks/redis-buffer-call.ts';
import { redisErrorOf } from '../../src/sinks/redis-buffer-error.ts';
import { VERSION_END, VERSION_START, versionText, writeRedisValue } from '../../src/sinks/redis-buffer-value.ts';
import { changeOf, freshTable } from '../conformance/buffer.ts';
import { anyText } from './any-text.ts';

function redisValueOf(change: Change, maxDataBytes: number): string {
  const value = new ByteWriter(1);
  writeRedisValue(value, change, maxDataBytes);
  return value.bytes().toString();
}

test('versions compare as text the way they do as numbers', () => {
  const version = fc.maxSafeNat();
  fc.assert(
    fc.property(version, version, (a, b) => {
      assert.equal(versionText(a).length, 16);
      assert.equal(versionText(a) <= versionText(b), a <= b);
    }),
  );
});

test('a value is JSON of the record, with its version where the scripts cut it out', () => {
  const text = anyText({ minLength: 1 });
  fc.assert(
    fc.property(text, text, fc.maxSafeNat(), (key, data, version) => {
      const change = changeOf(freshTable(), key, version, { text: data });
      const value = redisValueOf(change, 1000);
      assert.equal(value.slice(VERSION_START, VERSION_END + 1), versionText(version));
      assert.deepEqual(JSON.parse(value), {
        primaryKey: key,
        tableName: change.table.qualified,
        operation: 'INSERT',
        data,
        timestamp: change.timestampMs,
        checksum: checksumOf(documentOf(data)),
        version,
      });
    }),
  );
});

test('a row that is too long is kept without its data, under its own checksum', () => {
  const change = changeOf(freshTable(), 'a', 1, { text: '"12345678é"' });
  const { data, checksum } = JSON.parse(redisValueOf(change, 11));
  assert.deepEqual([data, checksum], ['', checksumOf(change.document)]);
  assert.equal(JSON.parse(redisValueOf(change, 12)).data, textOf(change.document));
});

test('a script call is written as ioredis would write it', () => {
  const texts = fc.array(fc.oneof(anyText(), anyText({ minLength: 90, maxLength: 1200 })), { maxLength: 12 });
  fc.assert(
    fc.property(texts, texts, (keys, values) => {
      const theirs = new Command('evalsha', ['5ca1ab1e', String(keys.length), ...keys, ...values]);
      const written = Buffer.from(theirs.toWritable({}) as string);
      const write = (into: ByteWriter, index: number): void => into.text(values[index] as string);
      const args = { keys, count: values.length, bytes: 0, write };
      assert.deepEqual(requestOf('evalsha', '5ca1ab1e', args), written);
    }),
  );
});

test('an error says what happened in a word, and nothing of the command', () => {
  const command = { command: { name: 'evalsha', args: ['buffer:shop.orders:secret', 'secret'] } };
  const rows: [object, string][] = [
    [{ message: 'connect ECONNREFUSED 127.0.0.1:6379', code: 'ECONNREFUSED' }, 'ECONNREFUSED'],
    [{ message: "OOM command not allowed when used memory > 'maxmemory'." }, 'OOM'],
    [{ message: 'NOAUTH Authentication required.' }, 'NOAUTH'],
    [{ message: 'WRONGPASS invalid username-password pair' }, 'WRONGPASS'],
    [{ message: "READONLY You can't write against a read only replica." }, 'READONLY'],
    [{ message: 'CLUSTERDOWN The cluster is down' }, 'CLUSTERDOWN'],
    [{ message: "ERR unknown command 'secret'" }, 'command refused'],
    [{ message: 'Command timed out' }, 'timed out'],
    [{ message: 'Connection is closed.' }, 'EHOSTUNREACH'],
    [{ message: 'Secret thing' }, 'connection failed'],
    [{}, 'unknown error'],
  ];
  for (const [error, detail] of rows) {
    const told = redisErrorOf({ ...error, ...command }, 'EHOSTUNREACH');
    assert.deepEqual([told.code, told.detail, told.retriable], ['E5001', detail, true]);
    assert.doesNotMatch(JSON.stringify([told, told.message, told.stack, told.cause]), /secret/i);
  }
});

test('options that make no sense are refused at once', () => {
  assert.throws(() => redisBuffer({}), RangeError);
  assert.throws(() => redisBuffer({ url: 'redis://127.0.0.1:1', nodes: ['127.0.0.1:1'] }), RangeError);
  assert.throws(() => redisBuffer({ url: 'redis://127.0.0.1:1', expirySeconds: 0 }), RangeError);
  assert.throws(() => redisBuffer({ url: 'redis://127.0.0.1:1', timeoutMs: Number.NaN }), RangeError);
});
