import { Redis } from 'ioredis';
import {
  type Elasticsearch,
  type Kafka,
  type Mariadb,
  type Redis as RedisServer,
  remove,
  type Server,
  startElasticsearch,
  startKafka,
  startMariadb,
  startRedis,
} from '../e2e/stack.ts';

/** Servers that nobody else uses: they are stopped, killed and frozen. */
export interface Servers {
  readonly kafka: Kafka;
  readonly redis: RedisServer;
  readonly mariadb: Mariadb;
  readonly elasticsearch: Elasticsearch;
}

/** `advertised`: the ports of the proxies to Kafka, one an instance. */
export async function startServers(advertised: readonly number[]): Promise<Servers> {
  const starts = {
    kafka: startKafka({ advertised }),
    redis: startRedis(),
    mariadb: startMariadb(),
    elasticsearch: startElasticsearch(),
  };
  // All of them, so that one which fails leaves none of the others half started.
  const settled = await Promise.allSettled(Object.values<Promise<Server>>(starts));
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    await remove(settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
    throw failed.reason;
  }
  return {
    kafka: await starts.kafka,
    redis: await starts.redis,
    mariadb: await starts.mariadb,
    elasticsearch: await starts.elasticsearch,
  };
}

export async function removeServers({ elasticsearch, kafka, mariadb, redis }: Servers): Promise<void> {
  await remove([kafka, redis, mariadb, elasticsearch]);
}

export async function flushRedis({ url }: RedisServer): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => undefined); // told by the call
  await client.connect();
  try {
    await client.flushall();
  } finally {
    client.disconnect();
  }
}
