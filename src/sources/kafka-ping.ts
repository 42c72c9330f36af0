import { chooseTopics, partitionRanges, refuseCompacted, type TopicChoice } from './kafka-checks.ts';
import { type KafkaClientOptions, kafkaClient, kafkaError, withAdmin } from './kafka-client.ts';

/**
 * Asks Kafka what a start would ask, and changes nothing: topics, their clean-up policy, positions of the group. Resolves
 * with what it found. Rejects with E2001 when Kafka does not answer, E2004 when a topic is missing or unfit.
 */
export async function kafkaPing(
  options: KafkaClientOptions & { readonly groupId: string; readonly topics: TopicChoice },
): Promise<{ topics: number; partitions: number; lag: number }> {
  try {
    return await withAdmin(kafkaClient(options), async (admin) => {
      const topics = await chooseTopics(admin, options.topics);
      await refuseCompacted(admin, topics, options.onEvent);
      const ranges = await partitionRanges(admin, options.groupId, topics);
      const lag = ranges.reduce((sum, { committed, high, low }) => sum + high - (committed ?? low), 0);
      return { topics: topics.length, partitions: ranges.length, lag };
    });
  } catch (error) {
    throw kafkaError('Kafka cannot be reached', error);
  }
}
