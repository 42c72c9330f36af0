import {
  type Elasticsearch,
  type Kafka,
  type Mariadb,
  type Redis,
  type RedisCluster,
  readStack,
  redisCluster,
  startElasticsearch,
  startKafka,
  startMariadb,
  startRedis,
  startRedisCluster,
} from '../../scripts/stack/index.mjs';

export type * from '../../scripts/stack/index.mjs';
export {
  executeSql,
  remove,
  startCanal,
  startElasticsearch,
  startKafka,
  startMariadb,
  startRedis,
  startRedisCluster,
} from '../../scripts/stack/index.mjs';

export interface SharedStack {
  kafka: Kafka;
  elasticsearch: Elasticsearch;
  redis: Redis;
  mariadb: Mariadb;
  redisCluster: RedisCluster;
}

/**
 * The servers that all tests of a run share: those of the stack that SLUICE_STACK names, else ones that this
 * process starts and ends. A test leaves them running and uses topics, indices, key prefixes and databases
 * (`sluice_…`) of its own; one that stops or pauses a server starts its own.
 */
export async function sharedStack<Name extends keyof SharedStack>(...names: Name[]): Promise<Pick<SharedStack, Name>> {
  const entries = await Promise.all(names.map(async (name) => [name, await shared(name)]));
  return Object.fromEntries(entries) as Pick<SharedStack, Name>;
}

type Shared = SharedStack[keyof SharedStack];

const opened = new Map<keyof SharedStack, Promise<Shared>>();

/** The same server for whoever asks in this process. */
function shared(name: keyof SharedStack): Promise<Shared> {
  const file = process.env.SLUICE_STACK;
  const server = opened.get(name) ?? (file ? fromStack(file, name) : start[name]());
  opened.set(name, server);
  return server;
}

const start: { [Name in keyof SharedStack]: () => Promise<SharedStack[Name]> } = {
  kafka: startKafka,
  elasticsearch: startElasticsearch,
  redis: startRedis,
  mariadb: startMariadb,
  redisCluster: startRedisCluster,
};

async function fromStack(file: string, name: keyof SharedStack): Promise<Shared> {
  const part = name === 'redisCluster' ? 'redis-cluster' : name;
  const servers = (await readStack(file)).get(part);
  if (!servers) {
    throw new Error(`${file} has no ${part}; run node scripts/stack.mjs up --only ${part}, or unset SLUICE_STACK`);
  }
  return (name === 'redisCluster' ? redisCluster(servers) : servers[0]) as Shared;
}
