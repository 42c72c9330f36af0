import { fileURLToPath } from 'node:url';
import { eachValueFrom } from 'rxjs-for-await';
import {
  type Compose,
  type Connected,
  closeParts,
  connect,
  loadConfig,
  pipelineOf,
  syncOptions,
} from '../src/index.ts';

/** The Canal capture that ships with sluice. */
export const CAPTURE = fileURLToPath(new URL('../demo/canal-shop.ndjson', import.meta.url));

/**
 * Runs a pipeline over a capture without any server: documents go to `<out>/index`, journal and dead letters to
 * `<out>/journal.db`. Resolves with the number of writes settled, by table.
 */
export async function runExample(
  composeWith: (parts: Connected) => Compose,
  { out, path = CAPTURE }: { out: string; path?: string },
): Promise<ReadonlyMap<string, number>> {
  const config = loadConfig({
    environment: {},
    values: { source: { path }, journal: { path: `${out}/journal.db` }, index: { path: `${out}/index` } },
  });
  const parts = connect(config);
  const settled = new Map<string, number>();
  try {
    await parts.store.open();
    const pipeline = pipelineOf(parts, syncOptions(config), { compose: composeWith(parts) });
    for await (const { delivered, table } of eachValueFrom(pipeline)) {
      settled.set(table.qualified, (settled.get(table.qualified) ?? 0) + delivered.length);
    }
    await parts.source.commit();
  } finally {
    await closeParts(parts);
  }
  return settled;
}

/** What an example prints when it is run by itself. */
export function printSettled(settled: ReadonlyMap<string, number>): void {
  for (const [table, writes] of settled) console.log(`${table.padEnd(24)}${writes} writes`);
}
