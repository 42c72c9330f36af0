import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { LoadWriter } from '../support/load-writer.ts';
import type { Watched } from './checker.ts';
import { Instance, type OddExit } from './instance.ts';
import { Ledger } from './ledger.ts';
import { Links } from './links.ts';
import { Load } from './load.ts';
import { SERVER_NAMES, seededRandom } from './schedule.ts';
import { removeServers, type Servers, startServers } from './servers.ts';

export interface WorldOptions {
  readonly seed: number;
  /** Records a second, usually. */
  readonly perSecond: number;
  /** Where logs go. */
  readonly folder: string;
}

/** Servers, instances and the load of one run, and what is known of them. */
export interface World {
  readonly servers: Servers;
  /** Two that are always wanted, and one for more. */
  readonly instances: readonly [Instance, Instance, Instance];
  readonly load: Load;
  readonly watched: Watched;
  readonly ledger: Ledger;
  readonly oddExits: readonly OddExit[];
  /** What differs from the defaults, in words. */
  readonly settings: string;
}

const GROUP = 'converge';
export const SESSION_MS = 6000;
const DRAIN_MS = 5000;
const REQUEST_MS = 5000;
const PARTITIONS = 4;

/** `start`: starts the servers; ours when it is not given. When something does not open, nothing of it stays open. */
export async function openWorld(options: WorldOptions, start = startServers): Promise<World> {
  const links = await Promise.all([Links.open(), Links.open(), Links.open()]);
  let servers: Servers | null = null;
  try {
    servers = await start(links.map((one) => one.of('kafka').port));
    return await worldOf(options, links, servers);
  } catch (error) {
    await closeAll(links); // or they would keep this process alive
    if (servers !== null) await removeServers(servers);
    throw error;
  }
}

async function worldOf({ folder, perSecond, seed }: WorldOptions, links: Links[], servers: Servers): Promise<World> {
  const windowMs = [500, 1000, 3000][seed % 3] as number;
  for (const [number, one] of links.entries()) one.connect(servers, number);
  const writer = await LoadWriter.open({
    brokers: servers.kafka.brokers,
    topic: GROUP,
    database: 'shop',
    partitions: PARTITIONS,
    seed,
    // Rows that are written once and never again: a loss is not covered up by a later change of its key.
    rows: 100_000,
  });
  const ledger = new Ledger();
  const oddExits: OddExit[] = [];
  const onOddExit = (exit: OddExit): void => {
    oddExits.push(exit);
  };
  const make = (one: Links, number: number): Instance => {
    const config = configOf(one, join(folder, `instance-${number}.log`), windowMs);
    return new Instance({ number, links: one, config, folder, ledger, onOddExit });
  };
  return {
    servers,
    instances: links.map(make) as [Instance, Instance, Instance],
    load: new Load(writer, { perSecond, random: seededRandom(seed * 4 + 3) }),
    watched: { writer, groupId: GROUP, elasticsearch: servers.elasticsearch, storeUrl: servers.mariadb.url },
    ledger,
    oddExits,
    settings: [
      `2 instances (1 to 3), ${PARTITIONS} partitions, about ${perSecond} records/s`,
      `window ${windowMs} ms, session ${SESSION_MS} ms, index request ${REQUEST_MS} ms, drain ${DRAIN_MS} ms`,
      'everything else at its default',
    ].join('; '),
  };
}

/** Copies what the servers printed into a folder. */
export function keepServerLogs({ servers }: World, folder: string): void {
  for (const name of SERVER_NAMES) {
    const log = join(servers[name].spec.directory, 'log');
    for (const suffix of ['', '.previous']) {
      if (existsSync(log + suffix)) copyFileSync(log + suffix, join(folder, `${name}.log${suffix}`));
    }
  }
}

export async function closeWorld({ instances, servers, watched }: World): Promise<void> {
  await Promise.all(instances.map((instance) => instance.end()));
  await watched.writer.close();
  await closeAll(instances.map(({ links }) => links));
  await removeServers(servers);
}

async function closeAll(links: readonly Links[]): Promise<void> {
  await Promise.all(links.map((one) => one.close()));
}

function configOf(links: Links, logPath: string, windowMs: number): Record<string, unknown> {
  const { brokers, node, redisUrl, storeUrl } = links.config();
  return {
    source: { type: 'kafka', brokers, groupId: GROUP, topics: [GROUP], sessionTimeoutMs: SESSION_MS },
    buffer: { type: 'redis', url: redisUrl },
    journal: { type: 'mysql', url: storeUrl },
    index: { type: 'elasticsearch', nodes: [node], requestTimeoutMs: REQUEST_MS },
    window: { ms: windowMs },
    drainMs: DRAIN_MS,
    log: { format: 'json', file: { path: logPath } },
  };
}
