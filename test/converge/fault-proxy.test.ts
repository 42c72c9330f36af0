import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { eventually } from '../support/eventually.ts';
import { FaultProxy, type LinkFault } from './fault-proxy.ts';

/** Answers every line with itself in capitals, and remembers what it read and in how many pieces. */
class ShoutingServer {
  readonly pieces: string[] = [];
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    server.on('connection', (socket) => {
      socket.setNoDelay(true);
      let line = '';
      socket.on('error', () => undefined);
      socket.setEncoding('utf8').on('data', (text: string) => {
        this.pieces.push(text);
        line += text;
        const end = line.lastIndexOf('\n') + 1;
        socket.write(line.slice(0, end).toUpperCase());
        line = line.slice(end);
      });
    });
  }

  static async start(): Promise<ShoutingServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ShoutingServer(server);
  }

  get address(): { host: string; port: number } {
    const address = this.server.address();
    assert.ok(address !== null && typeof address === 'object');
    return { host: '127.0.0.1', port: address.port };
  }

  get text(): string {
    return this.pieces.join('');
  }

  close(): void {
    this.server.close();
  }
}

/** A client that keeps what it read and how it ended. */
class Client {
  readonly socket: Socket;
  text = '';
  error: string | null = null;
  isClosed = false;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port });
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      this.text += text;
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  async reads(text: string): Promise<void> {
    await eventually(`the client reads ${JSON.stringify(text.slice(0, 40))}`, () => this.text === text, FAST);
  }

  async ends(): Promise<void> {
    await eventually('the connection ends', () => this.isClosed, FAST);
  }
}

const FAST = { withinMs: 10_000, everyMs: 5 };

let server: ShoutingServer;
let proxy: FaultProxy;
const clients: Client[] = [];

function client(): Client {
  const made = new Client(proxy.port);
  clients.push(made);
  return made;
}

before(async () => {
  server = await ShoutingServer.start();
  proxy = await FaultProxy.listen({ isTarget: (piece) => piece.includes('write') });
  proxy.target = server.address;
});

beforeEach(async () => {
  await proxy.lift();
  server.pieces.length = 0;
});

after(async () => {
  for (const { socket } of clients) socket.destroy();
  await proxy.close();
  server.close();
});

test('a link without a fault carries both directions', async () => {
  await client().send('one\n').reads('ONE\n');
  assert.equal(server.text, 'one\n');
});

test('a link that refuses resets open connections and takes no new one until it is lifted', async () => {
  const open = client().send('one\n');
  await open.reads('ONE\n');
  proxy.inject({ kind: 'refuse' });
  await open.ends();
  assert.equal(open.error, 'ECONNRESET');
  const refused = client();
  await refused.ends();
  assert.equal(refused.error, 'ECONNREFUSED');
  assert.ok(proxy.hits >= 1);
  await proxy.lift();
  await client().send('two\n').reads('TWO\n');
});

test('a black hole swallows what open and new connections send, and resets them when it is lifted', async () => {
  const open = client().send('one\n');
  await open.reads('ONE\n');
  proxy.inject({ kind: 'black-hole' });
  const late = client();
  await once(late.socket, 'connect');
  open.send('two\n');
  late.send('three\n');
  await eventually('both met the fault', () => proxy.hits === 2, FAST);
  assert.ok(!open.isClosed && !late.isClosed);
  await proxy.lift();
  await Promise.all([open.ends(), late.ends()]);
  assert.deepEqual([open.text, late.text], ['ONE\n', '']);
  assert.equal(server.text, 'one\n');
  await client().send('four\n').reads('FOUR\n');
});

test('a link with latency brings each direction so much later', async () => {
  proxy.inject({ kind: 'latency', ms: 60 });
  const started = performance.now();
  await client().send('one\n').reads('ONE\n');
  assert.ok(performance.now() - started >= 118); // a timer of Node comes up to a millisecond early
});

test('a throttled link takes as long as its rate says', async () => {
  const text = `${'x'.repeat(7999)}\n`;
  proxy.inject({ kind: 'throttle', bytesPerSecond: 40_000 });
  const started = performance.now();
  await client().send(text).reads(text.toUpperCase());
  assert.ok(performance.now() - started >= 150);
});

test('a slicing link brings small pieces, and all of them', async () => {
  proxy.inject({ kind: 'slice', bytes: 3, everyMs: 3 });
  await client().send('abcdefghijklmnop\n').reads('ABCDEFGHIJKLMNOP\n');
  assert.ok(server.pieces.length > 1, `${server.pieces.length} pieces`);
});

test('a reset mid-reply leaves half of the answer to a targeted request, and other answers whole', async () => {
  proxy.inject({ kind: 'reset-mid-reply' });
  const one = client().send('read\n');
  await one.reads('READ\n');
  one.send('write it\n');
  await one.ends();
  assert.equal(one.error, 'ECONNRESET');
  assert.equal(one.text, 'READ\nWRIT');
  assert.equal(server.text, 'read\nwrite it\n');
});

test('a dropped reply belongs to a targeted request that the server has taken whole', async () => {
  proxy.inject({ kind: 'drop-reply' });
  const one = client().send('read\n');
  await one.reads('READ\n');
  one.send('write it\n');
  await one.ends();
  assert.equal(one.error, 'ECONNRESET');
  assert.equal(one.text, 'READ\n');
  assert.equal(server.text, 'read\nwrite it\n');
  assert.equal(proxy.hits, 1);
  await client().send('write more\n').ends();
  await proxy.lift();
  await client().send('write last\n').reads('WRITE LAST\n');
});

test('a fault with a limit meets no more than so many', async () => {
  proxy.inject({ kind: 'drop-reply' }, 1);
  await client().send('write one\n').ends();
  await client().send('write two\n').reads('WRITE TWO\n');
  assert.equal(proxy.hits, 1);
});

test('a server that is away resets whoever connects', async () => {
  const alone = await FaultProxy.listen();
  const one = new Client(alone.port);
  clients.push(one);
  await one.ends();
  assert.equal(one.error, 'ECONNRESET');
  await alone.close();
});

test('whatever the faults, each side reads a beginning of what the other one sent', async () => {
  const fault = fc.oneof<fc.Arbitrary<LinkFault>[]>(
    fc.constantFrom<LinkFault>(
      { kind: 'refuse' },
      { kind: 'black-hole' },
      { kind: 'reset-mid-reply' },
      { kind: 'drop-reply' },
    ),
    fc.record({ kind: fc.constant('latency' as const), ms: fc.nat(20) }),
    fc.record({ kind: fc.constant('throttle' as const), bytesPerSecond: fc.integer({ min: 2000, max: 1_000_000 }) }),
    fc.record({ kind: fc.constant('slice' as const), bytes: fc.integer({ min: 1, max: 50 }), everyMs: fc.nat(2) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { minLength: 1, maxLength: 4 }), async (faults) => {
      server.pieces.length = 0;
      const sent = Array.from({ length: 40 }, (_, i) => `write ${i}\n`).join('');
      const one = client();
      for (const some of faults) {
        one.send(sent.slice(0, sent.length));
        proxy.inject(some);
        await new Promise((resolve) => setImmediate(resolve));
        await proxy.lift();
      }
      one.socket.end();
      await one.ends();
      const whole = sent.repeat(faults.length);
      assert.ok(whole.startsWith(server.text), 'what the server read');
      assert.ok(whole.toUpperCase().startsWith(one.text), 'what the client read');
    }),
    { numRuns: 25 },
  );
});
