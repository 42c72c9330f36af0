import { type LoadShape, type LoadSummary, makeLoad } from './load.ts';
import { type LastChangeArrays, PackedLastChanges } from './packed-last-changes.ts';
import { TopicUnderTest } from './topic-under-test.ts';

/** What the parent sends, once. */
export interface FillOrder {
  readonly brokers: readonly string[];
  readonly shape: LoadShape;
}

/** What it gets back: the summary of the load. */
export type Filled = Omit<LoadSummary, 'last'> & { readonly last: LastChangeArrays };

process.once('message', async ({ brokers, shape }: FillOrder) => {
  const load = makeLoad(shape);
  await TopicUnderTest.fill(brokers, load);
  const { last, ...summary } = load.summary;
  if (!(last instanceof PackedLastChanges)) throw new Error('the last changes of a load are not packed');
  const { numbers, offsets, partitions, size } = last;
  process.send?.({ ...summary, last: { numbers, offsets, partitions, size } } satisfies Filled, () => process.exit());
});
