import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import * as canal from './canal.mjs';
import * as elasticsearch from './elasticsearch.mjs';
import { install } from './install.mjs';
import * as kafka from './kafka.mjs';
import * as mariadb from './mariadb.mjs';
import * as redis from './redis.mjs';
import { joinCluster } from './redis.mjs';
import { claimDirectory, disown } from './run-directories.mjs';
import { Server } from './server.mjs';

export { install } from './install.mjs';
export { createTopic } from './kafka-protocol.mjs';
export { executeSql } from './mariadb.mjs';
export { versions } from './settings.mjs';

/** How each kind of server is prepared, and how to see that it is ready. */
const kinds = { kafka, elasticsearch, redis, mariadb, canal };

/** What this process started and must end. */
const owned = new Set();

export const startKafka = (options = {}) => start('kafka', options);
export const startElasticsearch = (options = {}) => start('elasticsearch', options);
export const startRedis = (options = {}) => start('redis', options);
export const startMariadb = (options = {}) => start('mariadb', options);
export const startCanal = (options) => start('canal', options);

export async function startRedisCluster(options = {}) {
  const nodes = [];
  try {
    for (let number = 0; number < 6; number++) {
      nodes.push(await start('redis', { name: `redis-${number}`, ...options, cluster: true }));
    }
    await joinCluster(nodes.map((node) => node.port));
  } catch (error) {
    await remove(nodes);
    throw error;
  }
  return redisCluster(nodes);
}

/** A cluster from its six nodes. */
export function redisCluster(nodes) {
  return {
    nodes,
    addresses: nodes.map((node) => `${node.host}:${node.port}`),
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

/** A server that another process started, from its entry in stack.json. */
export function attach(spec) {
  return new Server(spec, kinds[spec.kind].ready, true);
}

/** The servers of a stack.json by part; none when there is no such file. */
export async function readStack(file) {
  let text;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return new Map();
    throw error;
  }
  return new Map(Object.entries(JSON.parse(text).servers).map(([name, specs]) => [name, specs.map(attach)]));
}

/** Lets servers that were started with `keep` outlive this process. */
export async function release(servers) {
  for (const server of servers) {
    await disown(server.spec.directory);
    owned.delete(server);
  }
}

/**
 * Starts a server in a directory of its own and waits until it is ready.
 *
 * @param {{ name?: string, keep?: boolean }} options keep: see `release`
 */
async function start(kind, { name = kind, keep = false, ...options }) {
  await install([kind]);
  endWithThisProcess();
  const { port, directory } = await claimDirectory();
  let server;
  try {
    const prepared = await kinds[kind].prepare({ port, directory }, options);
    server = new Server({ kind, name, host: '127.0.0.1', port, directory, ...prepared }, kinds[kind].ready, keep);
    owned.add(server);
    await server.start();
    return server;
  } catch (error) {
    if (server) await remove([server]);
    else rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Kills servers and removes their data. */
export async function remove(servers) {
  await Promise.all(servers.map((server) => server.remove()));
  for (const server of servers) owned.delete(server);
}

let watching = false;

function endWithThisProcess() {
  if (watching) return;
  watching = true;
  process.on('exit', removeOwned);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      removeOwned();
      // With no other listener the signal does again what it does by default: it ends the process.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}

function removeOwned() {
  for (const server of owned) server.removeNow();
  owned.clear();
}
