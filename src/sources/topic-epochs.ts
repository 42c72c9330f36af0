import type { TopicRegistration } from '../pipeline/ports.ts';

/** How many partitions the topic had while records of an epoch were written: what a hash of keys went by. */
export function partitionsAt({ boundaries, partitions }: TopicRegistration, epoch: number): number {
  let next: TopicRegistration['boundaries'][number] | null = null;
  for (const one of boundaries) if (one.epoch > epoch && (next === null || one.epoch < next.epoch)) next = one;
  return next?.partitionsBefore ?? partitions;
}

/** The version space of each offset of a partition, as the registry records it; see `versionOf`. */
export function topicEpochs({ boundaries, epoch }: TopicRegistration, partition: number): (offset: number) => number {
  const own = boundaries.filter((one) => one.partition === partition).sort((a, b) => b.epoch - a.epoch);
  const oldest = own.at(-1);
  // Without a boundary the partition has never been in another epoch.
  if (oldest === undefined) return () => epoch;
  return (offset) => own.find(({ fromOffset }) => offset >= fromOffset)?.epoch ?? oldest.epoch - 1;
}
