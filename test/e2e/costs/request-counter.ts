import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { relay } from '../../support/relay.ts';

/** `ApiKeys` of the Kafka protocol. */
export const FETCH = 1;
export const OFFSET_COMMIT = 8;

/** A TCP relay on loopback that counts the requests of the Kafka protocol that pass it, by api key. */
export class RequestCounter {
  readonly port: number;
  /** Where connections go. May be set after the port is known. */
  target: { readonly host: string; readonly port: number } | null = null;
  private readonly counts = new Map<number, number>();
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (near) => this.accept(near));
  }

  static async listen(): Promise<RequestCounter> {
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new RequestCounter(server);
  }

  /** Requests of a kind so far. */
  of(apiKey: number): number {
    return this.counts.get(apiKey) ?? 0;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(near: Socket): void {
    if (this.target === null) throw new Error('the relay has no target');
    const far = connect({ ...this.target, noDelay: true });
    const frames = new Frames((apiKey) => this.counts.set(apiKey, this.of(apiKey) + 1));
    near.on('data', (piece) => frames.hear(piece));
    relay(near, far, this.sockets);
  }
}

/** What comes before the body of a request: its length (4 bytes), and as its first 2 bytes what it asks for. */
const HEAD_BYTES = 6;

/** Finds where requests begin in what a client sends, in whatever pieces. */
export class Frames {
  private head = Buffer.alloc(0);
  private bodyLeft = 0;
  private readonly onRequest: (apiKey: number) => void;

  constructor(onRequest: (apiKey: number) => void) {
    this.onRequest = onRequest;
  }

  hear(piece: Buffer): void {
    for (let rest = piece; rest.length > 0; ) {
      if (this.bodyLeft > 0) {
        const skipped = Math.min(this.bodyLeft, rest.length);
        this.bodyLeft -= skipped;
        rest = rest.subarray(skipped);
        continue;
      }
      const missing = HEAD_BYTES - this.head.length;
      this.head = Buffer.concat([this.head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.head.length < HEAD_BYTES) return;
      this.bodyLeft = this.head.readInt32BE(0) - 2;
      this.onRequest(this.head.readInt16BE(4));
      this.head = Buffer.alloc(0);
    }
  }
}
