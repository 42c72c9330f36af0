// Each server runs in a directory named after its port. Making that directory is what claims the port, so two
// stacks that start at the same time never choose the same one.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { isRunning, processesIn, signal } from './processes.mjs';
import { runRoot } from './settings.mjs';
import { until } from './until.mjs';

/** Below the range from which the kernel takes the ports of clients: a stopped server finds its port still free. */
const lowestPort = 10_000;
const highestPort = 32_000;

/**
 * Claims a port and the one after it (Kafka's controller, Elasticsearch's transport, Redis Cluster's bus) for
 * this process: should it be killed outright, the next one sweeps what is left. `disown` ends that.
 */
export async function claimDirectory() {
  await mkdir(runRoot, { recursive: true });
  await sweep();
  for (let attempt = 0; attempt < 1000; attempt++) {
    const port = lowestPort + 2 * Math.floor((Math.random() * (highestPort - lowestPort)) / 2);
    if (!(await isFree(port)) || !(await isFree(port + 1))) continue;
    const directory = `${runRoot}/${port}`;
    try {
      await mkdir(directory);
    } catch (error) {
      if (error.code === 'EEXIST') continue;
      throw error;
    }
    await writeFile(`${directory}/owner`, `${process.pid}`);
    return { port, directory };
  }
  throw new Error(`no free port: 1000 pairs from ${lowestPort} to ${highestPort} are taken; clear ${runRoot}`);
}

/** Lets the server in a directory outlive this process. */
export async function disown(directory) {
  await rm(`${directory}/owner`, { force: true });
}

async function sweep() {
  for (const name of await readdir(runRoot)) {
    const directory = `${runRoot}/${name}`;
    const owner = Number(await readFile(`${directory}/owner`, 'utf8').catch(() => ''));
    if (owner === 0 || isRunning(owner)) continue;
    signal(directory, 'SIGKILL');
    await until(`server left in ${directory} killed`, 30, () => processesIn(directory).length === 0);
    await rm(directory, { recursive: true, force: true });
  }
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
