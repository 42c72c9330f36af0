import kafkajs, { type Admin } from 'kafkajs';
import { SluiceError } from '../pipeline/errors.ts';
import { matchesGlob } from '../pipeline/glob.ts';
import type { Store, StoredPosition, TopicRegistration } from '../pipeline/ports.ts';
import type { Anchor } from '../pipeline/position.ts';
import type { SourceEvent } from './source-event.ts';

export type TopicRegistry = Pick<Store, 'registration' | 'register' | 'positions'>;

/** Which topics to read: names, or a glob (`*`, `?`) that is matched once, at start. */
export type TopicChoice = readonly string[] | { readonly pattern: string };

/** What the broker says of one partition: first offset, end, and the group's committed offset (null: none). */
export interface PartitionRange {
  readonly topic: string;
  readonly partition: number;
  readonly low: number;
  readonly high: number;
  readonly committed: number | null;
}

/** Where reading of a partition starts, and the record that has to be found unchanged first. */
export interface StartPlace {
  readonly from: number;
  readonly anchor: Anchor | null;
}

const BUMP = 'If the topic was changed on purpose, stop the service, run `sluice epoch bump`, and start it again';

/** The names of the topics to read. Errors: E2004 when one is missing or nothing matches. */
export async function chooseTopics(admin: Admin, choice: TopicChoice): Promise<readonly string[]> {
  // Asking for all topics never creates one; asking for one by name may.
  const existing = await admin.listTopics();
  if ('pattern' in choice) {
    const matching = existing.filter((topic) => !topic.startsWith('__') && matchesGlob(choice.pattern, topic)).sort();
    if (matching.length > 0) return matching;
    throw new SluiceError('E2004', 'no topic matches', {
      detail: `pattern ${choice.pattern}, ${existing.length} topics are visible`,
      remedy: 'Create the topic, correct source.topics, or allow this user to describe it',
    });
  }
  const missing = choice.filter((topic) => !existing.includes(topic));
  if (missing.length === 0) return [...new Set(choice)];
  throw new SluiceError('E2004', `topic ${missing.join(', ')} does not exist`, {
    detail: `${existing.length} topics are visible`,
    remedy: 'Create it, correct source.topics, or allow this user to describe it',
  });
}

/** Refuses a compacted topic: Canal sends no keys, and a log with holes proves nothing. Errors: E2004. */
export async function refuseCompacted(
  admin: Admin,
  topics: readonly string[],
  onEvent: (event: SourceEvent) => void,
): Promise<void> {
  const resources = topics.map((name) => ({
    type: kafkajs.ConfigResourceTypes.TOPIC,
    name,
    configNames: ['cleanup.policy'],
  }));
  let answer: Awaited<ReturnType<Admin['describeConfigs']>>;
  try {
    answer = await admin.describeConfigs({ resources, includeSynonyms: false });
  } catch (error) {
    if (!(error instanceof kafkajs.KafkaJSError) || !/AUTHORI/i.test(error.message)) throw error;
    onEvent({ type: 'warning', detail: 'the clean-up policy of the topics is unknown: this user may not describe it' });
    return;
  }
  for (const { resourceName, configEntries } of answer.resources) {
    const policy = configEntries.find((entry) => entry.configName === 'cleanup.policy')?.configValue ?? '';
    if (!policy.includes('compact')) continue;
    throw new SluiceError('E2004', `topic ${resourceName} is compacted`, {
      detail: `cleanup.policy is ${policy}; changes of rows would be missing`,
      remedy: 'Set cleanup.policy=delete on the topic',
    });
  }
}

/**
 * The registration of each topic; one seen for the first time is registered as it is, under epoch 0. Errors: E2002 when
 * the number of partitions is not the registered one.
 */
export async function registerTopics(
  admin: Admin,
  registry: TopicRegistry,
  topics: readonly string[],
  onEvent: (event: SourceEvent) => void,
): Promise<ReadonlyMap<string, TopicRegistration>> {
  const counts = await partitionCounts(admin, topics);
  const registrations = new Map<string, TopicRegistration>();
  for (const [topic, partitions] of counts) {
    let registration = await registry.registration(topic);
    if (registration === null) {
      await registry.register({ topic, partitions, epoch: 0, boundaries: [] });
      // Another instance may have been first.
      registration = (await registry.registration(topic)) ?? { topic, partitions, epoch: 0, boundaries: [] };
      onEvent({ type: 'registered', topic, partitions });
    }
    refuseOtherCount(registration, partitions);
    registrations.set(topic, registration);
  }
  return registrations;
}

export async function partitionCounts(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
  const metadata = await admin.fetchTopicMetadata({ topics: [...topics] });
  return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
}

/** Errors: E2002. With other partitions a key may live in two, and offsets of two partitions say nothing about order. */
export function refuseOtherCount({ topic, partitions }: TopicRegistration, found: number): void {
  if (found === partitions) return;
  throw new SluiceError('E2002', `topic ${topic} has ${found} partitions, not ${partitions} as registered`, {
    detail: 'versions of a key are only comparable while it stays in its partition',
    remedy: BUMP,
  });
}

/** What the broker knows of every partition of the topics. */
export async function partitionRanges(
  admin: Admin,
  groupId: string,
  topics: readonly string[],
): Promise<readonly PartitionRange[]> {
  // Committed offsets first: what another member commits meanwhile may lie above a log end asked before.
  const committed = await admin.fetchOffsets({ groupId, topics: [...topics] });
  const ranges: PartitionRange[] = [];
  for (const topic of topics) {
    const own = committed.find((one) => one.topic === topic)?.partitions ?? [];
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
      const offset = Number(own.find((one) => one.partition === partition)?.offset ?? -1);
      ranges.push({
        topic,
        partition,
        low: Number(low),
        high: Number(high),
        committed: offset < 0 ? null : offset, // -1 is none, -2 is a reset that kafkajs once committed
      });
    }
  }
  return ranges;
}

/**
 * Where to start reading a partition, from what the broker and the registry say. Errors: E2003 when the committed offset
 * is outside the log, or nothing is committed and records that were never settled are gone; E2002 when the log ends
 * before what was settled, so it is another log of the same name.
 */
export function startPlace(range: PartitionRange, stored: StoredPosition | null): StartPlace {
  const { topic, partition, low, high, committed } = range;
  const place = `${topic}/${partition}`;
  if (committed !== null && (committed < low || committed > high)) throw outsideLog(place, committed, range);
  if (stored !== null && stored.settled > high) {
    throw new SluiceError('E2002', `the log of ${place} is not the one that was read before`, {
      detail: `it ends at ${high}, but ${stored.settled} was settled`,
      remedy: BUMP,
    });
  }
  if (committed === null && stored !== null && stored.settled < low) {
    throw outsideLog(place, stored.settled, range);
  }
  const anchor = stored?.anchor ?? null;
  const isThere = anchor !== null && anchor.offset >= low && anchor.offset < high;
  return { from: committed ?? low, anchor: isThere ? anchor : null };
}

/** E2003: what lies between the position and the log can never be read. */
export function outsideLog(
  place: string,
  position: number,
  log: { readonly low: number; readonly high: number } | null,
): SluiceError {
  return new SluiceError('E2003', `the position of ${place} is outside the log`, {
    detail: `position ${position}${log === null ? '' : `, the log holds ${log.low} to ${log.high}`}`,
    remedy:
      'Records are missing: rebuild the tables, and set the group to an offset inside the log (kafka-consumer-groups --reset-offsets)',
  });
}

/** E2002: the record that was settled last is another one now. */
export function anchorChanged(place: string, anchor: Anchor): SluiceError {
  return new SluiceError('E2002', `the log of ${place} is not the one that was read before`, {
    detail: `the record at ${anchor.offset} has another timestamp or value`,
    remedy: BUMP,
  });
}
