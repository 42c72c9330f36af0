import { Redis } from 'ioredis';
import type { Elasticsearch, Mariadb, Redis as RedisServer } from '../stack.ts';
import { executeSql } from '../stack.ts';

/** What the servers themselves say they were asked, and nobody else asked them meanwhile. */
export interface ServerCounts {
  /** Calls of a script: Redis works for nobody else while one runs. */
  readonly redisScripts: number;
  /** Commands inside scripts and outside: the work of Redis. */
  readonly redisCommands: number;
  /** Statements that the store executed, prepared or as text, BEGIN and COMMIT too: each is a round trip. */
  readonly statements: number;
  readonly inserts: number;
  /** Statements that were prepared: a round trip more for the first of each shape on each connection. */
  readonly prepares: number;
  readonly bulkRequests: number;
  readonly indexWrites: number;
}

export interface CountedServers {
  readonly redis: RedisServer;
  readonly mariadb: Mariadb;
  readonly elasticsearch: Elasticsearch;
}

/** Reads the counters of one Redis, one MariaDB and one index of an Elasticsearch. Its own questions are not counted. */
export async function readCounts(servers: CountedServers, index: string): Promise<ServerCounts> {
  const [redis, sql, bulk] = await Promise.all([
    redisCounts(servers.redis.url),
    sqlCounts(servers.mariadb),
    bulkCounts(servers.elasticsearch.url, index),
  ]);
  return { ...redis, ...sql, ...bulk };
}

export function countsBetween(before: ServerCounts, after: ServerCounts): ServerCounts {
  const names = Object.keys(after) as (keyof ServerCounts)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as unknown as ServerCounts;
}

/** What connecting and looking costs, here and in the adapter; it does not grow with the changes. */
const REDIS_ASIDE = new Set(['info', 'hello', 'client|setinfo', 'client|setname', 'select', 'ping', 'quit', 'auth']);

async function redisCounts(url: string): Promise<Pick<ServerCounts, 'redisScripts' | 'redisCommands'>> {
  const client = new Redis(url);
  const text = await client.info('commandstats');
  await client.quit();
  const calls = new Map<string, number>();
  for (const [, name = '', count] of text.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)) calls.set(name, Number(count));
  const redisScripts = ['eval', 'evalsha', 'fcall'].reduce((sum, name) => sum + (calls.get(name) ?? 0), 0);
  const counted = [...calls].filter(([name]) => !REDIS_ASIDE.has(name));
  return { redisScripts, redisCommands: counted.reduce((sum, [, count]) => sum + count, 0) };
}

type SqlCounts = Pick<ServerCounts, 'statements' | 'inserts' | 'prepares'>;

async function sqlCounts({ spec }: Mariadb): Promise<SqlCounts> {
  const said = new Map<string, number>();
  for (const line of (await executeSql(spec, 'SHOW GLOBAL STATUS')).split('\n')) {
    const [name = '', value = ''] = line.split('\t');
    said.set(name, Number(value));
  }
  const of = (name: string): number => said.get(name) ?? Number.NaN;
  return {
    statements: of('Com_stmt_execute') + of('Com_begin') + of('Com_commit') + of('Com_rollback'),
    inserts: of('Com_insert'),
    prepares: of('Com_stmt_prepare'),
  };
}

async function bulkCounts(url: string, index: string): Promise<Pick<ServerCounts, 'bulkRequests' | 'indexWrites'>> {
  const response = await fetch(`${url}/${index}/_stats/bulk,indexing?ignore_unavailable=true`);
  const { _all } = (await response.json()) as {
    _all: { primaries: { bulk?: { total_operations: number }; indexing?: { index_total: number } } };
  };
  const { bulk, indexing } = _all.primaries;
  return { bulkRequests: bulk?.total_operations ?? 0, indexWrites: indexing?.index_total ?? 0 };
}
