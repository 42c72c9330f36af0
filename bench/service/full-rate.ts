import { eventually } from '../../test/support/eventually.ts';
import { makeLoad } from '../load.ts';
import type { Ground } from './command.ts';
import { FreshDeployment } from './fresh-deployment.ts';
import { loadRows, uniqueRows } from './load-rows.ts';

/** Rows a second of the service on a full topic, over the second half: by then its code is warm. Its final state is checked. */
export async function measureFullRate({ places }: Ground, count: number): Promise<number> {
  const load = makeLoad(uniqueRows('full-rate', count, 4));
  const deployment = await FreshDeployment.open(places, load.summary);
  try {
    await deployment.topic.send(loadRows(load));
    const sluice = await deployment.spawn({ windowMs: 3000 });
    const reached = (rows: number) =>
      eventually(
        `${rows} rows are indexed`,
        async () => {
          const indexed = await sluice.metric('sluice_indexed_total');
          return indexed >= rows && { indexed, atMs: performance.now() };
        },
        { withinMs: 600_000, everyMs: 20 },
      );
    const half = await reached(count / 2);
    const end = await reached(count);
    if (half.indexed === count) throw new Error(`${count} rows are too few to tell a rate: they came in one window`);
    await deployment.check({ to: count });
    await deployment.stop(sluice);
    return (end.indexed - half.indexed) / ((end.atMs - half.atMs) / 1000);
  } finally {
    await deployment.close();
  }
}
