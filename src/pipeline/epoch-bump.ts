import { SluiceError } from './errors.ts';
import type { TopicRegistration } from './ports.ts';

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
 * larger versions than anything before. When the topic was made again, all of it is new.
 *
 * @throws SluiceError E2002 when no epoch is left, or partitions have vanished though the topic was not made again.
 */
export function nextRegistration(
  { topic, partitions, epoch, boundaries }: TopicRegistration,
  ranges: readonly LogRange[],
  isRecreated: boolean,
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
  const isNew = (partition: number): boolean => isRecreated || partition >= partitions;
  const begun = ranges.map(({ partition, high }) => ({
    partition,
    epoch: next,
    fromOffset: isNew(partition) ? 0 : high,
  }));
  const kept = boundaries.filter((one) => !isNew(one.partition));
  return { topic, partitions: ranges.length, epoch: next, boundaries: [...kept, ...begun] };
}
