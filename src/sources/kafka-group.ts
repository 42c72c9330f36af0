import type { LogRange } from '../pipeline/epoch-bump.ts';
import { SluiceError } from '../pipeline/errors.ts';
import { type KafkaClientOptions, kafkaClient, kafkaError, withAdmin } from './kafka-client.ts';

/** Reads, of each partition of a topic, what the log holds. Rejects with E2001 or E2004. */
export async function logRanges(options: KafkaClientOptions, topic: string): Promise<readonly LogRange[]> {
  try {
    return await withAdmin(kafkaClient(options), async (admin) => {
      if (!(await admin.listTopics()).includes(topic)) {
        throw new SluiceError('E2004', `topic ${topic} does not exist`, { remedy: 'Check its name' });
      }
      const offsets = await admin.fetchTopicOffsets(topic);
      return offsets
        .map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }))
        .sort((a, b) => a.partition - b.partition);
    });
  } catch (error) {
    throw kafkaError('Kafka cannot be reached', error);
  }
}

/** Number of members that a consumer group has now. Rejects with E2001. */
export async function groupMembers(options: KafkaClientOptions, groupId: string): Promise<number> {
  try {
    return await withAdmin(kafkaClient(options), async (admin) => {
      const { groups } = await admin.describeGroups([groupId]);
      return groups[0]?.members.length ?? 0;
    });
  } catch (error) {
    throw kafkaError('Kafka cannot be reached', error);
  }
}

/** Sets the group to the start of every partition of a topic that was made again. Rejects with E2001. */
export async function beginAgain(
  options: KafkaClientOptions,
  groupId: string,
  topic: string,
  ranges: readonly LogRange[],
): Promise<void> {
  try {
    await withAdmin(kafkaClient(options), (admin) =>
      admin.setOffsets({
        groupId,
        topic,
        partitions: ranges.map(({ partition, low }) => ({ partition, offset: String(low) })),
      }),
    );
  } catch (error) {
    throw kafkaError('the positions of the group cannot be set', error);
  }
}
