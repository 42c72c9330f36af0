import { Cluster, type DNSLookupFunction, Redis, type RedisOptions } from 'ioredis';
import { codeOf, redisErrorOf } from './redis-buffer-error.ts';

export interface RedisTls {
  /** PEM text of the authorities to trust; the system's by default. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name to expect in the certificate when it is not the host. */
  readonly servername?: string;
}

export interface RedisConnectionOptions {
  /** One Redis: `redis://host:6379/0` or `rediss://…`. Either this or `nodes`. */
  readonly url?: string;
  /** A Redis Cluster: some of its nodes as `host:port`. */
  readonly nodes?: readonly string[];
  readonly tls?: RedisTls;
  readonly username?: string;
  readonly password?: string;
  /** Bound on every call, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * One lazily opened client. It keeps reconnecting by itself; a call made meanwhile is rejected at once, never queued:
 * commands waiting for a server are memory without a bound, and commands sent again behind our back are a second retry.
 */
export class RedisConnection {
  readonly isCluster: boolean;
  private readonly client: Redis | Cluster;
  private readonly timeoutMs: number;
  private connecting: Promise<void> | null = null;
  private lastError: string | null = null;
  private isClosed = false;

  constructor(options: RedisConnectionOptions) {
    this.timeoutMs = options.timeoutMs;
    this.isCluster = options.nodes !== undefined;
    this.client = options.nodes === undefined ? standalone(options) : cluster(options, options.nodes);
    // Without a listener ioredis prints to the console.
    this.client.on('error', (error) => {
      this.lastError = codeOf(error);
    });
    this.client.on('node error', (error) => {
      this.lastError = codeOf(error);
    });
    this.client.on('ready', () => {
      this.lastError = null;
    });
  }

  /** Runs `work` on the connected client. Rejects with E5001 when it fails, and at the latest after `timeoutMs`. */
  async run<T>(work: (commands: Redis | Cluster) => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('call timed out')), this.timeoutMs);
    });
    try {
      return await Promise.race([this.connected().then(() => work(this.client)), deadline]);
    } catch (error) {
      throw redisErrorOf(error, this.lastError);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Every node that takes writes: the server itself, or the masters of the cluster. */
  masters(): Redis[] {
    return this.client instanceof Cluster ? this.client.nodes('master') : [this.client];
  }

  /** Lets commands in flight end, within `timeoutMs`, and disconnects. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.client.status === 'ready') await this.run((client) => client.quit()).catch(() => undefined);
    this.client.disconnect();
  }

  /** Waits for the first attempt to connect only. Later ones run in the background, and commands fail at once until one succeeds. */
  private connected(): Promise<void> {
    if (this.client.status === 'ready') return Promise.resolve();
    if (this.isClosed) return Promise.reject(new Error('connection is closed'));
    this.connecting ??= this.client.connect();
    return this.connecting;
  }
}

function standalone(options: RedisConnectionOptions): Redis {
  return new Redis(options.url ?? 'redis://127.0.0.1:6379', {
    ...nodeOptions(options),
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: (times) => Math.min(50 * 2 ** times, 1000) + Math.random() * 100,
  });
}

function cluster(options: RedisConnectionOptions, nodes: readonly string[]): Cluster {
  return new Cluster(nodes.map(hostAndPort), {
    redisOptions: nodeOptions(options),
    lazyConnect: true,
    enableOfflineQueue: false,
    scaleReads: 'master',
    slotsRefreshTimeout: 3000,
    clusterRetryStrategy: (times) => Math.min(50 * 2 ** times, 1000) + Math.random() * 100,
    // A name in a TLS certificate is worth more than a look-up of ours.
    ...(options.tls === undefined ? {} : { dnsLookup: literalAddress }),
  });
}

const literalAddress: DNSLookupFunction = (address, done) => done(null, address);

function nodeOptions({ tls, username, password, timeoutMs }: RedisConnectionOptions) {
  return {
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    commandTimeout: timeoutMs,
    connectTimeout: 5000,
    // A half-open connection: no bytes for so long while an answer is owed.
    socketTimeout: 15_000,
    maxRetriesPerRequest: 1,
    autoResendUnfulfilledCommands: false,
    enableReadyCheck: true,
    // A master that became a replica: reconnect, and let the caller send again.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions;
}

function hostAndPort(node: string): { host: string; port: number } {
  const { hostname, port } = new URL(`redis://${node.replace(/^rediss?:\/\//, '')}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) };
}
