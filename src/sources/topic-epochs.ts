import type { TopicRegistration } from '../pipeline/ports.ts';

/** The version space of each offset of a partition, as the registry records it; see `versionOf`. */
export function topicEpochs({ boundaries, epoch }: TopicRegistration, partition: number): (offset: number) => number {
  const own = boundaries.filter((one) => one.partition === partition).sort((a, b) => b.epoch - a.epoch);
  const oldest = own.at(-1);
  // Without a boundary the partition has never been in another epoch.
  if (oldest === undefined) return () => epoch;
  return (offset) => own.find(({ fromOffset }) => offset >= fromOffset)?.epoch ?? oldest.epoch - 1;
}
