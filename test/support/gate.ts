import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { relay } from './relay.ts';

/** A TCP relay in front of a server. Shut, it is like a server that hangs: connections stay open and nothing answers. */
export class Gate {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private isShut = false;

  private constructor(host: string, port: number) {
    this.server = createServer((near) => {
      const far = connect({ host, port });
      relay(near, far, this.sockets);
      if (this.isShut) for (const socket of [near, far]) socket.pause();
    });
  }

  /** In front of the server of a URL. */
  static async before(url: string): Promise<Gate> {
    const { hostname, port } = new URL(url);
    const gate = new Gate(hostname, Number(port));
    await once(gate.server.listen(0, '127.0.0.1'), 'listening');
    return gate;
  }

  /** The same URL, through the gate. */
  through(url: string): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the gate is closed');
    return url.replace(new URL(url).host, `127.0.0.1:${address.port}`);
  }

  shut(): void {
    this.isShut = true;
    for (const socket of this.sockets) socket.pause();
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}
