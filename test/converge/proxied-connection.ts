import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Address, LinkFault } from './fault-proxy.ts';

export interface ConnectionHooks {
  /** The fault in force now. */
  fault(): LinkFault | null;
  isTarget(piece: Buffer): boolean;
  onHit(): void;
  onEnd(): void;
}

/** Bytes that wait in one direction until no more are read. */
const MOST_WAITING = 1 << 20;
/** An answer that comes in pieces is whole by then; longer, and the next request would be under way. */
const ANSWERED_MS = 50;
const THROTTLE_STEP_MS = 50;

/** One connection through a proxy: two sockets, and two directions in which bytes are carried in order. */
export class ProxiedConnection {
  /** Bytes of it were swallowed: nothing sensible can come after them. */
  hasLost = false;
  private readonly client: Socket;
  private readonly target: Address | null;
  private readonly hooks: ConnectionHooks;
  private server: Socket | null = null;
  private isOver = false;
  /** A request was passed on whose answer the fault is after. */
  private isArmed = false;
  private isDropping = false;

  constructor(client: Socket, target: Address | null, hooks: ConnectionHooks) {
    this.client = client;
    this.target = target;
    this.hooks = hooks;
  }

  start(): void {
    const { client, hooks, target } = this;
    client.on('error', () => this.reset());
    client.on('close', () => this.end());
    if (hooks.fault()?.kind === 'black-hole') {
      hooks.onHit();
      this.hasLost = true;
      client.resume();
      return;
    }
    if (target === null) {
      this.reset();
      return;
    }
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.server = server;
    server.on('error', () => this.reset());
    server.on('close', () => this.end());
    this.run(client, server, (piece) => this.request(piece));
    this.run(server, client, (piece) => this.reply(piece));
  }

  /** Cuts both sides off with a reset. */
  reset(): void {
    reset(this.client);
    if (this.server !== null) reset(this.server);
    this.end();
  }

  private run(from: Socket, to: Socket, carry: (piece: Buffer) => Promise<void>): void {
    const finish = (): void => {
      if (this.hooks.fault()?.kind === 'black-hole') this.hasLost = true;
      if (!this.hasLost) to.end();
    };
    const latency = (): number => {
      const fault = this.hooks.fault();
      if (fault?.kind !== 'latency') return 0;
      this.hooks.onHit();
      return fault.ms;
    };
    new Direction(from, { carry, finish, latency }).run();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    // The other side hears of it at once, unless bytes are still on their way to it.
    if (this.client.destroyed) this.server?.destroySoon();
    else this.client.destroySoon();
    this.hooks.onEnd();
  }

  private async request(piece: Buffer): Promise<void> {
    await this.carry(piece, this.server as Socket);
    const kind = this.hooks.fault()?.kind;
    if ((kind === 'drop-reply' || kind === 'reset-mid-reply') && this.hooks.isTarget(piece)) this.isArmed = true;
  }

  private async reply(piece: Buffer): Promise<void> {
    const kind = this.hooks.fault()?.kind;
    if (this.isDropping) return;
    if (this.isArmed && kind === 'drop-reply') {
      this.hooks.onHit();
      this.isDropping = true;
      this.hasLost = true;
      setTimeout(() => this.reset(), ANSWERED_MS);
      return;
    }
    if (this.isArmed && kind === 'reset-mid-reply') {
      this.hooks.onHit();
      this.hasLost = true;
      await written(this.client, piece.subarray(0, Math.floor(piece.length / 2)));
      return this.reset();
    }
    await this.carry(piece, this.client);
  }

  /** Writes a piece as the fault of the moment lets it; a fault may begin and end meanwhile. */
  private async carry(piece: Buffer, to: Socket): Promise<void> {
    let rest = piece;
    let isMet = false;
    while (rest.length > 0 && !this.hasLost && !to.destroyed) {
      const fault = this.hooks.fault();
      if (fault !== null && !isMet && ['black-hole', 'throttle', 'slice'].includes(fault.kind)) {
        isMet = true;
        this.hooks.onHit();
      }
      if (fault?.kind === 'black-hole') {
        this.hasLost = true;
        return;
      }
      const { bytes, waitMs } = paceOf(fault);
      const part = rest.subarray(0, bytes);
      rest = rest.subarray(part.length);
      await written(to, part);
      if (waitMs > 0) await delay((waitMs * part.length) / bytes);
    }
  }
}

function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // libuv does not reset what is shut down already, and Node takes it for closed all the same: it would stay open for ever.
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** How many bytes may go at once, and how long to wait after so many. */
function paceOf(fault: LinkFault | null): { bytes: number; waitMs: number } {
  if (fault?.kind === 'slice') return { bytes: fault.bytes, waitMs: fault.everyMs };
  if (fault?.kind === 'throttle') {
    return {
      bytes: Math.max(1, Math.floor((fault.bytesPerSecond * THROTTLE_STEP_MS) / 1000)),
      waitMs: THROTTLE_STEP_MS,
    };
  }
  return { bytes: Number.POSITIVE_INFINITY, waitMs: 0 };
}

/** Resolves when the socket has room again, or is gone. */
function written(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.destroyed || bytes.length === 0) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once('close', resolve);
    socket.write(bytes, () => {
      socket.off('close', resolve);
      resolve();
    });
  });
}

interface Carrier {
  carry(piece: Buffer): Promise<void>;
  /** The sender will send no more. */
  finish(): void;
  /** How long a piece that comes now is kept, milliseconds. */
  latency(): number;
}

/** One direction: reads pieces, keeps them for as long as they are delayed, and hands them on one after the other. */
class Direction {
  private readonly from: Socket;
  private readonly carrier: Carrier;
  private waiting = 0;
  private last: Promise<void> = Promise.resolve();

  constructor(from: Socket, carrier: Carrier) {
    this.from = from;
    this.carrier = carrier;
  }

  run(): void {
    this.from.on('data', (piece: Buffer) => this.take(piece));
    this.from.on('end', () => {
      void this.last.then(() => this.carrier.finish());
    });
  }

  private take(piece: Buffer): void {
    this.waiting += piece.length;
    if (this.waiting > MOST_WAITING) this.from.pause();
    const dueMs = performance.now() + this.carrier.latency();
    this.last = this.last.then(async () => {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      await this.carrier.carry(piece);
      this.waiting -= piece.length;
      if (this.waiting <= MOST_WAITING) this.from.resume();
    });
  }
}
