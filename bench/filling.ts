import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Filled, FillOrder } from './filling-process.ts';
import type { Load, LoadShape } from './load.ts';
import { PackedLastChanges } from './packed-last-changes.ts';

/** Has another process make a load and fill its topic. The load has no values then. */
export async function fillElsewhere(brokers: readonly string[], shape: LoadShape): Promise<Load> {
  const child = fork(join(import.meta.dirname, 'filling-process.ts'), [], { serialization: 'advanced' });
  const answered = once(child, 'message');
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the process that fills ${shape.name} ended with ${code}`);
  });
  ended.catch(() => undefined); // it ends after it has answered, too
  child.send({ brokers, shape } satisfies FillOrder);
  const [{ last, ...summary }] = (await Promise.race([answered, ended])) as [Filled];
  return { summary: { ...summary, last: new PackedLastChanges(last) }, partitions: [] };
}
