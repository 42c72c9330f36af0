// The two requests of the Kafka protocol that the stack needs, so that it needs no client library.
import { connect } from 'node:net';

/** The number of brokers the cluster knows; an open port alone does not mean that it serves. */
export async function countBrokers(host, port) {
  const noTopics = int32(0);
  const answer = await request(host, port, { api: 3, version: 1 }, noTopics);
  return answer.readInt32BE(0);
}

/** Creates a topic; one that is there already stays as it is. */
export async function createTopic(host, port, { topic, partitions }) {
  const none = int32(0);
  const answer = await request(
    host,
    port,
    { api: 19, version: 2 },
    Buffer.concat([int32(1), string(topic), int32(partitions), int16(1), none, none, int32(30_000), Buffer.from([0])]),
  );
  // throttle time, number of topics, the topic's name with its length, then the error code
  const code = answer.readInt16BE(4 + 4 + 2 + Buffer.byteLength(topic));
  const topicExists = 36;
  if (code !== 0 && code !== topicExists) throw new Error(`cannot create topic ${topic}: Kafka error code ${code}`);
}

function request(host, port, { api, version }, body) {
  const header = Buffer.concat([int16(api), int16(version), int32(1), string('sluice-stack')]);
  const message = Buffer.concat([int32(header.length + body.length), header, body]);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: 5000 });
    let received = Buffer.alloc(0);
    socket.on('connect', () => socket.write(message));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
      socket.destroy();
      resolve(received.subarray(8)); // after the length and the correlation id
    });
    socket.on('timeout', () => socket.destroy(new Error('no answer within 5 s')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('connection closed without an answer')));
  });
}

function int16(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([int16(bytes.length), bytes]);
}
