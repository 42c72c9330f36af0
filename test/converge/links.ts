import { type Address, FaultProxy } from './fault-proxy.ts';
import { SERVER_NAMES, type ServerName } from './schedule.ts';
import type { Servers } from './servers.ts';

/** Requests of the Kafka protocol whose lost answers matter most: OffsetCommit, JoinGroup, SyncGroup. */
const KAFKA_TARGETS = new Set([8, 11, 14]);
const MYSQL_EXECUTE = 0x17;

/** What `drop-reply` and `reset-mid-reply` are after on each link: what changes something on the other side. */
const TARGETS: Readonly<Record<ServerName, (piece: Buffer) => boolean>> = {
  kafka: (piece) => piece.length > 6 && KAFKA_TARGETS.has(piece.readInt16BE(4)),
  redis: (piece) => /evalsha/i.test(piece.toString('latin1', 0, 200)),
  mariadb: (piece) => piece[4] === MYSQL_EXECUTE || piece.toString('latin1', 4, 20).includes('COMMIT'),
  elasticsearch: (piece) => /^POST \S*_bulk/.test(piece.toString('latin1', 0, 200)),
};

/** The four links of one instance, each through a proxy of its own. */
export class Links {
  private readonly proxies: Readonly<Record<ServerName, FaultProxy>>;

  private constructor(proxies: Readonly<Record<ServerName, FaultProxy>>) {
    this.proxies = proxies;
  }

  static async open(): Promise<Links> {
    const entries = await Promise.all(
      SERVER_NAMES.map(async (name) => [name, await FaultProxy.listen({ isTarget: TARGETS[name] })] as const),
    );
    return new Links(Object.fromEntries(entries) as Record<ServerName, FaultProxy>);
  }

  /** Says where the servers are; the broker listens at an address of its own for each instance. */
  connect({ elasticsearch, kafka, mariadb, redis }: Servers, instance: number): void {
    const via = kafka.via[instance];
    if (via === undefined) throw new Error(`the broker advertises no proxy of instance ${instance}`);
    this.proxies.kafka.target = addressOf(via);
    for (const server of [elasticsearch, mariadb, redis]) {
      this.proxies[server.name as ServerName].target = { host: server.host, port: server.port };
    }
  }

  of(server: ServerName): FaultProxy {
    return this.proxies[server];
  }

  /** The keys of a configuration that say where the servers are. */
  config(): { brokers: string[]; redisUrl: string; storeUrl: string; node: string } {
    const { elasticsearch, kafka, mariadb, redis } = this.proxies;
    return {
      brokers: [`127.0.0.1:${kafka.port}`],
      redisUrl: `redis://127.0.0.1:${redis.port}`,
      storeUrl: `mysql://sluice:sluice@127.0.0.1:${mariadb.port}/sluice`,
      node: `http://127.0.0.1:${elasticsearch.port}`,
    };
  }

  async lift(): Promise<void> {
    await Promise.all(Object.values(this.proxies).map((proxy) => proxy.lift()));
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.proxies).map((proxy) => proxy.close()));
  }
}

function addressOf(text: string): Address {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}
