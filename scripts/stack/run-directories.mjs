// Each server runs in a directory named after its port. Making that directory is what claims the port, so two
// stacks that start at the same time never choose the same one.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { runRoot } from './settings.mjs';

/** Below the range from which the kernel takes the ports of clients: a stopped server finds its port still free. */
const lowestPort = 10_000;
const highestPort = 32_000;

/**
 * Claims a port and the one after it (Kafka's controller, Elasticsearch's transport, Redis Cluster's bus).
 *
 * @param {boolean} owned the servers end with this process, so what a killed process left behind may be swept
 */
export async function claimDirectory(owned) {
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
    if (owned) await writeFile(`${directory}/owner`, `${process.pid}`);
    return { port, directory };
  }
  throw new Error(`no free port: 1000 pairs from ${lowestPort} to ${highestPort} are taken; clear ${runRoot}`);
}

/** Removes the directories whose owner is gone: killed outright, it could not do so itself. */
async function sweep() {
  for (const name of await readdir(runRoot)) {
    const owner = Number(await readFile(`${runRoot}/${name}/owner`, 'utf8').catch(() => ''));
    if (owner > 0 && !isRunning(owner)) await rm(`${runRoot}/${name}`, { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
