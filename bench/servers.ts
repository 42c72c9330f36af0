import { existsSync } from 'node:fs';
import {
  type Elasticsearch,
  executeSql,
  remove,
  type Server,
  startElasticsearch,
  startKafka,
  startMariadb,
  startRedis,
} from '../test/e2e/stack.ts';
import { bentoElasticsearchHome, flinkElasticsearchHome, peerVersions } from './peers/homes.mjs';
import type { Places, ServerName } from './scenario.ts';

const ELASTICSEARCHES = ['elasticsearch', 'bentoElasticsearch', 'flinkElasticsearch'] as const;

const PEER_TIME = 'measured until a search sees all, which takes up to 1 s of refresh longer than to settle';

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
    for (const [name, home] of [
      ['bentoElasticsearch', bentoElasticsearchHome],
      ['flinkElasticsearch', flinkElasticsearchHome],
    ] as const) {
      if (names.has(name) && !existsSync(home))
        throw new Error('The peers are not installed; run node bench/peers/install.mjs');
    }
    const elasticsearchAt = (name: ServerName, home?: string): Promise<Elasticsearch> | undefined =>
      names.has(name) ? startElasticsearch({ name, optimize: true, heapMb: 1024, ...(home && { home }) }) : undefined;
    const [kafka, elasticsearch, redis, mariadb] = await Promise.all([
      names.has('kafka') ? startKafka({ optimize: true }) : undefined,
      elasticsearchAt('elasticsearch'),
      names.has('redis') ? startRedis({ appendonly: false }) : undefined,
      names.has('mariadb') ? startMariadb({ optimize: true }) : undefined,
    ]);
    // One after the other: three that start at once take longer than each may.
    const bentoElasticsearch = await elasticsearchAt('bentoElasticsearch', bentoElasticsearchHome);
    const flinkElasticsearch = await elasticsearchAt('flinkElasticsearch', flinkElasticsearchHome);
    for (const server of [elasticsearch, bentoElasticsearch, flinkElasticsearch]) {
      if (server) await refreshEverySecond(server.url);
    }
    const places: Places = {
      ...(kafka && { kafka: { brokers: kafka.brokers } }),
      ...(elasticsearch && { elasticsearch: { url: elasticsearch.url } }),
      ...(redis && { redis: { url: redis.url } }),
      ...(mariadb && { mariadb: { url: mariadb.url, spec: mariadb.spec } }),
      ...(bentoElasticsearch && { bentoElasticsearch: { url: bentoElasticsearch.url } }),
      ...(flinkElasticsearch && { flinkElasticsearch: { url: flinkElasticsearch.url } }),
    };
    const started = new Map<string, Server>();
    for (const server of [kafka, elasticsearch, redis, mariadb, bentoElasticsearch, flinkElasticsearch])
      if (server) started.set(server.name, server);
    return new Servers(places, started);
  }

  /** Process ids by name. */
  get pids(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.servers].map(([name, { pid }]) => [name, pid]));
  }

  /** Each Elasticsearch there is. */
  get elasticsearches(): readonly { readonly name: ServerName; readonly url: string; readonly pid: number }[] {
    return ELASTICSEARCHES.flatMap((name) => {
      const url = this.places[name]?.url;
      const server = this.servers.get(name);
      return url === undefined || server === undefined ? [] : [{ name, url, pid: server.pid }];
    });
  }

  /** Name and version of each server, and the settings that decide what its answers are worth. */
  async describe(): Promise<Readonly<Record<string, string>>> {
    const { mariadb } = this.places;
    const described: Record<string, string> = {};
    const kafka = this.servers.get('kafka');
    if (kafka) described.kafka = `${kafkaVersion(kafka)}, one broker, heap 512 MiB, acks -1`;
    for (const name of ELASTICSEARCHES) {
      const url = this.places[name]?.url;
      if (url === undefined) continue;
      described[name] =
        `${await elasticsearchVersion(url)}, one node, heap 1 GiB, 1 shard, 0 replicas, files mapped into memory, a refresh each second, translog durability request`;
    }
    if (this.servers.has('redis')) described.redis = 'append-only file off';
    if (mariadb) {
      const sql = `SELECT VERSION(), @@innodb_flush_log_at_trx_commit, @@innodb_buffer_pool_size DIV 1048576, @@innodb_log_file_size DIV 1048576`;
      const [version, flush, pool, log] =
        (await executeSql(mariadb.spec, sql)).trim().split('\n').at(-1)?.split('\t') ?? [];
      described.mariadb = `${version}, innodb_flush_log_at_trx_commit ${flush}, buffer pool ${pool} MiB, redo log ${log} MiB, no binary log`;
    }
    if (this.servers.has('bentoElasticsearch')) described.bento = `${peerVersions.bento}, ${PEER_TIME}`;
    if (this.servers.has('flinkElasticsearch')) described.flink = `${peerVersions.flink}, ${PEER_TIME}`;
    return described;
  }

  /**
   * With peers: stops the clocks of the Elasticsearch servers that are not named, since what they still merge and collect
   * would disturb a run that is not theirs. All run on when all are named.
   */
  async focus(names: readonly string[]): Promise<void> {
    const found = ELASTICSEARCHES.filter((name) => this.servers.has(name));
    if (found.length < 2) return;
    for (const name of found) {
      if (names.includes(name)) this.servers.get(name)?.resume();
      else await this.servers.get(name)?.pause();
    }
  }

  async stop(): Promise<void> {
    await remove([...this.servers.values()]);
  }
}

/** Each index that is made refreshes as if somebody searched it all the time: left alone, Elasticsearch does not after 30 s. */
async function refreshEverySecond(url: string): Promise<void> {
  const answer = await fetch(`${url}/_index_template/bench`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ index_patterns: ['*'], template: { settings: { index: { refresh_interval: '1s' } } } }),
  });
  if (!answer.ok) throw new Error(`the refresh of indices could not be set (${answer.status})`);
}

function kafkaVersion({ spec }: Server): string {
  return /kafka-(\d[\d.]*\d)/.exec(spec.command.join(' '))?.[1] ?? 'unknown version';
}

async function elasticsearchVersion(url: string): Promise<string> {
  const answer = await fetch(`${url}/_nodes?filter_path=nodes.*.version`);
  const { nodes } = (await answer.json()) as { nodes: Record<string, { version: string }> };
  return Object.values(nodes)[0]?.version ?? 'unknown version';
}
