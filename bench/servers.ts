import {
  executeSql,
  remove,
  type Server,
  startElasticsearch,
  startKafka,
  startMariadb,
  startRedis,
} from '../test/e2e/stack.ts';
import type { Places, ServerName } from './scenario.ts';

/** The bench's own servers: nobody else's load is on them, and they end with this process. */
export class Servers {
  readonly places: Places;
  private readonly servers: ReadonlyMap<string, Server>;

  private constructor(places: Places, servers: ReadonlyMap<string, Server>) {
    this.places = places;
    this.servers = servers;
  }

  /** Starts what is named, tuned for speed as far as the stack knows how and durable as it comes. */
  static async start(names: ReadonlySet<ServerName>): Promise<Servers> {
    const [kafka, elasticsearch, redis, mariadb] = await Promise.all([
      names.has('kafka') ? startKafka({ optimize: true }) : undefined,
      names.has('elasticsearch') ? startElasticsearch({ optimize: true, heapMb: 1024 }) : undefined,
      names.has('redis') ? startRedis({ appendonly: false }) : undefined,
      names.has('mariadb') ? startMariadb() : undefined,
    ]);
    const places: Places = {
      ...(kafka && { kafka: { brokers: kafka.brokers } }),
      ...(elasticsearch && { elasticsearch: { url: elasticsearch.url } }),
      ...(redis && { redis: { url: redis.url } }),
      ...(mariadb && { mariadb: { url: mariadb.url, spec: mariadb.spec } }),
    };
    const started = new Map<string, Server>();
    for (const server of [kafka, elasticsearch, redis, mariadb]) if (server) started.set(server.name, server);
    return new Servers(places, started);
  }

  /** Process ids by name. */
  get pids(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.servers].map(([name, { pid }]) => [name, pid]));
  }

  /** Name and version of each server, and the settings that decide what its answers are worth. */
  async describe(): Promise<Readonly<Record<string, string>>> {
    const { elasticsearch, mariadb } = this.places;
    const described: Record<string, string> = {};
    const kafka = this.servers.get('kafka');
    if (kafka) described.kafka = `${kafkaVersion(kafka)}, one broker, heap 512 MiB, acks -1`;
    if (elasticsearch) {
      described.elasticsearch = `${await elasticsearchVersion(elasticsearch.url)}, one node, heap 1 GiB, 1 shard, 0 replicas, translog durability request`;
    }
    if (this.servers.has('redis')) described.redis = 'append-only file off';
    if (mariadb) {
      const sql = `SELECT VERSION(), @@innodb_flush_log_at_trx_commit, @@innodb_buffer_pool_size DIV 1048576`;
      const [version, flush, pool] = (await executeSql(mariadb.spec, sql)).trim().split('\n').at(-1)?.split('\t') ?? [];
      described.mariadb = `${version}, innodb_flush_log_at_trx_commit ${flush}, buffer pool ${pool} MiB, no binary log`;
    }
    return described;
  }

  async stop(): Promise<void> {
    await remove([...this.servers.values()]);
  }
}

function kafkaVersion({ spec }: Server): string {
  return /kafka-(\d[\d.]*\d)/.exec(spec.command.join(' '))?.[1] ?? 'unknown version';
}

async function elasticsearchVersion(url: string): Promise<string> {
  const answer = await fetch(`${url}/_nodes?filter_path=nodes.*.version`);
  const { nodes } = (await answer.json()) as { nodes: Record<string, { version: string }> };
  return Object.values(nodes)[0]?.version ?? 'unknown version';
}
