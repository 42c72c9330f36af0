import { GOOD_BULK, limit } from './limit.ts';
import { makeLoad } from './load.ts';
import { Meter } from './meter.ts';
import { loadOf } from './settings.ts';

const ROWS = 200_000;
const MOST_ROUNDS = 8;

/**
 * Runs the bare bulk client on each server until it needs no less CPU than the time before: a new Elasticsearch needs four
 * times as much for its first documents, and what it has compiled since would flatter whoever is measured last. `focus` is
 * told whose turn it is.
 */
export async function warmElasticsearch(
  servers: readonly { readonly name: string; readonly url: string; readonly pid: number }[],
  focus: (name: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  if (servers.length === 0) return;
  const load = makeLoad(loadOf('unique', ROWS));
  for (const { name, pid, url } of servers) {
    await focus(name);
    const client = limit({ elasticsearch: { url } }, GOOD_BULK);
    await client.open(load);
    try {
      let before = Number.POSITIVE_INFINITY;
      for (let round = 1; round <= MOST_ROUNDS; round += 1) {
        const meter = new Meter({ [name]: pid });
        await client.run(load.summary, meter);
        const cpuUs = (meter.result.serverCpuUs[name] ?? 0) / ROWS;
        console.log(`warm-up  ${name}: ${cpuUs.toFixed(0)} µs of its CPU for a document of the bare client`);
        if (cpuUs > 0.9 * before) break;
        before = cpuUs;
      }
    } finally {
      await client.close();
    }
  }
}
