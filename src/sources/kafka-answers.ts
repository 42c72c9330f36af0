import { connect, type Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';

/** Bytes that are read from a socket at a time. An answer that is longer is gathered. */
const READ_BYTES = 1 << 16;
/** A longer one is none that we asked for. */
const LONGEST_ANSWER = 1 << 26;
const KEEP_ALIVE_MS = 60_000; // as kafkajs has it
/** The length that comes before each answer. */
const INT32_BYTES = 4;

/** A connection of kafkajs. `bytesNeeded` and what follows it are the beginning of an answer that has not come in full yet. */
export interface Connection {
  bytesBuffered: number;
  bytesNeeded: number;
  chunks: Buffer[];
  gathered?: { readonly answer: Buffer; bytes: number } | null;
  socket?: { destroy(error: Error): void };
  isConnected(): boolean;
  connect(): Promise<boolean>;
  processData(data: Buffer): void;
}

/**
 * A socket without TLS that reads into one buffer of its own, over and over: what its `data` listeners get is good until
 * they return. A new buffer for each read would be a burden for the garbage collector. Needs `gatherAnswers`.
 */
export const lendingSocket: ISocketFactory = ({ host, port, onConnect }) => {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const callback = (bytes: number): boolean => {
    socket.emit('data', buffer.subarray(0, bytes));
    return true;
  };
  const socket: Socket = connect({ host, port, onread: { buffer, callback } }, onConnect);
  return socket.setKeepAlive(true, KEEP_ALIVE_MS);
};

/** Copies each part of a long answer to its place as it comes, instead of keeping all parts until the last one is there. */
export function gatherAnswers(prototype: Connection): void {
  const original = prototype.processData;
  prototype.processData = function processOrGather(this: Connection, data: Buffer): void {
    const { gathered } = this;
    let rest = data;
    if (gathered != null) {
      const copied = data.copy(gathered.answer, gathered.bytes);
      gathered.bytes += copied;
      if (gathered.bytes < gathered.answer.length) return;
      forgetAnswer(this);
      original.call(this, gathered.answer);
      if (copied === data.length) return;
      rest = data.subarray(copied);
    }
    original.call(this, Buffer.from(rest)); // it keeps what it cannot read yet
    beginGathering(this);
  };
}

function beginGathering(connection: Connection): void {
  const { bytesNeeded, bytesBuffered, chunks } = connection;
  if (bytesNeeded <= Math.max(bytesBuffered, READ_BYTES) || bytesNeeded > LONGEST_ANSWER) return;
  const gathered = { answer: Buffer.allocUnsafeSlow(bytesNeeded), bytes: 0 };
  for (const chunk of chunks) gathered.bytes += chunk.copy(gathered.answer, gathered.bytes);
  forgetAnswer(connection);
  connection.gathered = gathered;
}

/** The next byte is then the first of an answer. */
export function forgetAnswer(connection: Connection): void {
  connection.bytesBuffered = 0;
  connection.bytesNeeded = INT32_BYTES;
  connection.chunks = [];
  connection.gathered = null;
}
