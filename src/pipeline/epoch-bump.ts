import { SluiceError } from './errors.ts';
import type { StoredPosition, TopicRegistration } from './ports.ts';

/** What the log of a topic looks like now: by partition, the first offset and the end. */
export interface LogRange {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

const MAX_EPOCH = 511;

/**
 * The registration that begins a new epoch. Records below the present log ends keep the epoch they were read in, so no
 * record changes its version and nothing needs draining; what comes after, and all of a partition that was added, has
 * larger versions than anything before, and how many partitions there were is kept with them: it tells where Canal sent a
 * key of theirs. When the topic was made again, all of it is new.
 *
 * `positions`: what the store knows to be settled; a log that ends below it is not the one that was read.
 *
 * @throws SluiceError E2002 when no epoch is left, or partitions or records have vanished though the topic was not made
 * again.
 */
export function nextRegistration(
  { topic, partitions, epoch, boundaries }: TopicRegistration,
  ranges: readonly LogRange[],
  isRecreated: boolean,
  positions: readonly Pick<StoredPosition, 'partition' | 'settled'>[] = [],
): TopicRegistration {
  const next = epoch + 1;
  if (next > MAX_EPOCH) {
    throw new SluiceError('E2002', `topic ${topic} has used all ${MAX_EPOCH} epochs`, {
      remedy: 'Index it under new names',
    });
  }
  if (!isRecreated && ranges.length < partitions) {
    throw new SluiceError('E2002', `topic ${topic} has ${ranges.length} partitions, ${partitions} are registered`, {
      remedy: 'Partitions never go away: if the topic was made again, say --recreated',
    });
  }
  if (!isRecreated) refuseShorterLogs(topic, ranges, [...boundaries, ...positions]);
  const isNew = (partition: number): boolean => isRecreated || partition >= partitions;
  const begun = ranges.map(({ partition, high }) => ({
    partition,
    epoch: next,
    fromOffset: isNew(partition) ? 0 : high,
    partitionsBefore: partitions,
  }));
  const kept = boundaries.filter((one) => !isNew(one.partition));
  return { topic, partitions: ranges.length, epoch: next, boundaries: [...kept, ...begun] };
}

/** A log that ends below what was read of it would give new records the versions of old ones. */
function refuseShorterLogs(
  topic: string,
  ranges: readonly LogRange[],
  reached: readonly { readonly partition: number; readonly fromOffset?: number; readonly settled?: number }[],
): void {
  for (const { high, partition } of ranges) {
    const own = reached.filter((one) => one.partition === partition);
    const least = Math.max(0, ...own.map(({ fromOffset = 0, settled = 0 }) => Math.max(fromOffset, settled)));
    if (high >= least) continue;
    throw new SluiceError(
      'E2002',
      `partition ${partition} of topic ${topic} ends at ${high}, and was read up to ${least}`,
      {
        remedy: 'If the topic was made again or lost its end, say --recreated: then all of it is read anew',
      },
    );
  }
}
