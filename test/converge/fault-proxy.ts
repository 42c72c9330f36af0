import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxiedConnection } from './proxied-connection.ts';

/** What a link does to those who use it. */
export type LinkFault =
  /** Nobody listens, and connections that were open are reset. */
  | { readonly kind: 'refuse' }
  /** Connections open and stay open, and every byte is lost. Whoever lost bytes is reset when the fault is lifted. */
  | { readonly kind: 'black-hole' }
  /** Every byte arrives so much later. */
  | { readonly kind: 'latency'; readonly ms: number }
  /** So many bytes a second in each direction of each connection. */
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
  /** Writes of a few bytes, with a wait after each. */
  | { readonly kind: 'slice'; readonly bytes: number; readonly everyMs: number }
  /** An answer breaks off half-way with a reset. */
  | { readonly kind: 'reset-mid-reply' }
  /** The request arrives and is answered, but the answer is lost and the connection reset. */
  | { readonly kind: 'drop-reply' };

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface FaultProxyOptions {
  /**
   * Requests whose answers `reset-mid-reply` and `drop-reply` are after: each piece of what a client sends is asked about.
   * All of them by default.
   */
  readonly isTarget?: (piece: Buffer) => boolean;
}

const HOST = '127.0.0.1';
/** Below the ports that the kernel gives to clients: ours must be free again after a time without a listener. */
const PORTS = { from: 20_001, to: 31_999 };
const LISTEN_AGAIN_MS = 5000;

/**
 * A TCP proxy on loopback that misbehaves on demand. States: listening, refusing (from `inject` of `refuse` to `lift`),
 * closed. One fault at a time; it meets connections that are open already, too.
 */
export class FaultProxy {
  readonly port: number;
  /** Where connections go. May be set after the port is known. */
  target: Address | null = null;
  /** How often the fault in force, or the last one, met somebody. */
  hits = 0;
  private readonly isTarget: (piece: Buffer) => boolean;
  private readonly connections = new Set<ProxiedConnection>();
  private server: Server;
  private current: LinkFault | null = null;
  private most = Number.POSITIVE_INFINITY;

  private constructor(server: Server, port: number, isTarget: (piece: Buffer) => boolean) {
    this.server = server;
    this.port = port;
    this.isTarget = isTarget;
    server.on('connection', (client) => this.accept(client));
  }

  static async listen({ isTarget = () => true }: FaultProxyOptions = {}): Promise<FaultProxy> {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
      const server = await listening(port).catch(() => null);
      if (server !== null) return new FaultProxy(server, port, isTarget);
    }
    throw new Error(`no free port from ${PORTS.from} to ${PORTS.to}`);
  }

  get fault(): LinkFault | null {
    return this.current;
  }

  /** Begins a fault, in place of one that may be in force. It meets nobody any more after `most` hits. */
  inject(fault: LinkFault, most = Number.POSITIVE_INFINITY): void {
    this.current = fault;
    this.most = most;
    this.hits = 0;
    if (fault.kind !== 'refuse') return;
    this.server.close();
    this.hits += this.connections.size;
    for (const connection of this.connections) connection.reset();
  }

  /** Ends the fault; resolves when the link is well again. */
  async lift(): Promise<void> {
    const wasRefusing = this.current?.kind === 'refuse';
    this.current = null;
    for (const connection of this.connections) if (connection.hasLost) connection.reset();
    if (!wasRefusing) return;
    const deadline = performance.now() + LISTEN_AGAIN_MS;
    for (;;) {
      try {
        this.server = await listening(this.port);
        this.server.on('connection', (client) => this.accept(client));
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await delay(20);
      }
    }
  }

  async close(): Promise<void> {
    const closed = this.server.listening ? once(this.server, 'close') : Promise.resolve();
    this.server.close();
    for (const connection of this.connections) connection.reset();
    await closed;
  }

  private accept(client: Socket): void {
    const connection = new ProxiedConnection(client, this.target, {
      fault: () => (this.hits < this.most ? this.current : null),
      isTarget: this.isTarget,
      onHit: () => {
        this.hits += 1;
      },
      onEnd: () => this.connections.delete(connection),
    });
    this.connections.add(connection);
    connection.start();
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }).listen({ host: HOST, port, exclusive: true });
  await once(server, 'listening');
  return server;
}
