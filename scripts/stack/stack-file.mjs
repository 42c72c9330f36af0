// Starts a stack, and writes the stack.json that says how to reach and how to restart its servers.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import {
  createTopic,
  executeSql,
  startCanal,
  startElasticsearch,
  startKafka,
  startMariadb,
  startRedis,
  startRedisCluster,
} from './index.mjs';

export const parts = ['kafka', 'redis', 'mariadb', 'elasticsearch', 'redis-cluster', 'canal'];
export const defaultParts = ['kafka', 'redis', 'mariadb', 'elasticsearch'];

/** Starts what `names` asks for and `servers` lacks; `servers` maps a part's name to its servers. */
export async function startParts(names, servers, { keep, optimize, topic, partitions, filter }) {
  const wanted = new Set(names);
  if (wanted.has('canal')) wanted.add('kafka').add('canal-mariadb');
  const start = {
    kafka: async () => [await startKafka({ keep, optimize })],
    elasticsearch: async () => [await startElasticsearch({ keep, optimize })],
    redis: async () => [await startRedis({ keep })],
    mariadb: async () => [await startMariadb({ keep, optimize })],
    'redis-cluster': async () => (await startRedisCluster({ keep })).nodes,
    'canal-mariadb': async () => [await startMariadb({ keep, name: 'canal-mariadb', binlog: true })],
  };
  const restarts = [...servers.values()].flat().map((server) => server.start());
  const missing = [...wanted].filter((name) => !servers.has(name) && name !== 'canal');
  const starts = missing.map(async (name) => servers.set(name, await start[name]()));
  // Waits for all, so that one which fails does not leave the others half started.
  const failed = (await Promise.allSettled([...restarts, ...starts])).find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
  if (wanted.has('canal') && !servers.has('canal')) {
    const [[kafka], [mariadb]] = [servers.get('kafka'), servers.get('canal-mariadb')];
    await createTopic(kafka.host, kafka.port, { topic, partitions });
    // before Canal looks, so that the first thing in the topic is what its user does
    await executeSql(mariadb.spec, 'CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4');
    servers.set('canal', [await startCanal({ keep, brokers: kafka.brokers, topic, partitions, filter, mariadb })]);
  }
}

export async function writeStack(directory, servers) {
  await mkdir(directory, { recursive: true });
  const entries = [...servers].map(([name, list]) => [name, list.map((server) => server.spec)]);
  const file = `${directory}/stack.json`;
  await writeFile(`${file}.partial`, `${JSON.stringify({ servers: Object.fromEntries(entries) }, null, 2)}\n`);
  await rename(`${file}.partial`, file);
  return file;
}

/** The addresses as environment variables: SLUICE_STACK is the file, SLUICE_STACK_KAFKA the brokers, and so on. */
export function environmentOf(file, servers) {
  const environment = { SLUICE_STACK: file };
  for (const [name, list] of servers) {
    const variable = `SLUICE_STACK_${name.toUpperCase().replaceAll('-', '_')}`;
    environment[variable] = list.map(({ spec }) => addressOf(spec)).join(',');
  }
  return environment;
}

export function addressOf({ addresses }) {
  return addresses.brokers?.join(',') ?? addresses.url ?? addresses.topic;
}
