import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { lendingSocket } from '../../src/sources/kafka-answers.ts';
import { patchFetches, patchKafkajs } from '../../src/sources/kafkajs-patches.ts';
import { eventually } from '../support/eventually.ts';

interface Connection {
  connect(): Promise<boolean>;
  disconnect(): Promise<boolean>;
  isConnected(): boolean;
  send(call: object): Promise<unknown>;
}

const require = createRequire(import.meta.url);
const Encoder = require('kafkajs/src/protocol/encoder') as new () => { readonly buffer: Buffer };
const plainSocket = require('kafkajs/src/network/socketFactory') as () => unknown;
const server = createServer();
/** How the broker answers each request, in turn; it gets the request's number. */
const answers: ((socket: Socket, correlationId: number) => void)[] = [];
let connection: Connection;
/** Reads as a source does. */
let lent: Connection;

before(async () => {
  patchKafkajs();
  patchFetches();
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    // Length, key, version and then the number of the request.
    socket.on('data', (request) => answers.shift()?.(socket, request.readInt32BE(8)));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  connection = connectionBy(plainSocket());
  lent = connectionBy(lendingSocket);
});

after(async () => {
  await connection.disconnect();
  await lent.disconnect();
  server.close();
});

test('half an answer that a broken connection leaves behind is not read as the beginning of the next one', async () => {
  answers.push(
    (socket, id) => socket.write(answer(id, 'x'.repeat(1000)).subarray(0, 300), () => socket.destroy()),
    (socket, id) => socket.write(answer(id, 'whole')),
  );
  await connection.connect();
  await assert.rejects(ask(), { name: 'KafkaJSConnectionClosedError' });
  await eventually('the connection is known to be gone', () => !connection.isConnected());
  await connection.connect();
  assert.equal(await ask(), 'whole');
});

test('an answer that is none breaks the connection, and the next one is good again', async () => {
  answers.push(
    // It claims to be shorter than the number it has to hold.
    (socket) => socket.write(Buffer.from([0, 0, 0, 1, 0])),
    (socket, id) => socket.write(answer(id, 'whole')),
  );
  await assert.rejects(ask(), { name: 'KafkaJSConnectionError' });
  await eventually('the connection is known to be gone', () => !connection.isConnected());
  await connection.connect();
  assert.equal(await ask(), 'whole');
});

test('long answers come whole through a socket that reads into one buffer, after half of one, too', async () => {
  const long = Array.from({ length: 300_000 }, (_, index) => index).join();
  answers.push(
    (socket, id) => socket.write(answer(id, long)),
    (socket, id) => socket.write(answer(id, 'short')),
    (socket, id) => socket.write(answer(id, long).subarray(0, 1_000_000), () => socket.destroy()),
    (socket, id) => socket.write(answer(id, long)),
  );
  await lent.connect();
  assert.equal(await ask(lent), long);
  assert.equal(await ask(lent), 'short');
  await assert.rejects(ask(lent), { name: 'KafkaJSConnectionClosedError' });
  await eventually('the connection is known to be gone', () => !lent.isConnected());
  await lent.connect();
  assert.equal(await ask(lent), long);
});

function connectionBy(socketFactory: unknown): Connection {
  const { port } = server.address() as { port: number };
  const Connection = require('kafkajs/src/network/connection') as new (options: object) => Connection;
  const silent = { debug: () => undefined, warn: () => undefined, error: () => undefined, info: () => undefined };
  return new Connection({
    host: '127.0.0.1',
    port,
    logger: { namespace: () => silent },
    socketFactory,
    requestTimeout: 5000,
    connectionTimeout: 1000,
  });
}

function answer(correlationId: number, text: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + text.length, 0);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** Sends a request of no meaning and resolves with the text of its answer. */
function ask(asked = connection): Promise<unknown> {
  const request = {
    apiKey: 3,
    apiVersion: 0,
    apiName: 'Test',
    expectResponse: () => true,
    encode: async () => new Encoder(),
  };
  const response = {
    decode: async (payload: Buffer) => payload.toString(),
    parse: async (text: string) => text,
  };
  return asked.send({ request, response });
}
