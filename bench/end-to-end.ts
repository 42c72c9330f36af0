import { BufferUnderTest } from './buffer-under-test.ts';
import { defaultFormat } from './default-format.ts';
import { IndicesUnderTest } from './indices-under-test.ts';
import { JournalUnderTest } from './journal-under-test.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import type { Places, RunNotes, Scenario } from './scenario.ts';
import { ServiceUnderTest } from './service-under-test.ts';
import { TopicUnderTest } from './topic-under-test.ts';

type Needed = Required<Pick<Places, 'kafka' | 'mariadb' | 'elasticsearch'>>;

/** The whole service with everything on. */
export function endToEnd(places: Needed & Required<Pick<Places, 'redis'>>): Scenario {
  return wholeWay(places, places.redis.url, 'all');
}

/** The same without Redis, and with nothing in the journal: these loads delete nothing. Versions are still sent. */
export function endToEndLean(places: Needed): Scenario {
  return wholeWay(places, null, 'none');
}

/**
 * The service on real servers, from the moment its partitions are assigned until every record is settled: indexed,
 * journaled if it has to be, and passed by the position. The topic is full when it starts, and each run reads it as a
 * group of its own.
 */
function wholeWay(places: Needed, redisUrl: string | null, journalChanges: 'all' | 'none'): Scenario {
  const shown = redisUrl === null ? null : new BufferUnderTest(redisUrl);
  const journal = new JournalUnderTest(places.mariadb);
  const topics = new Map<LoadSummary, TopicUnderTest>();
  const service = new ServiceUnderTest();
  const elasticsearchUrl = places.elasticsearch.url;
  return {
    async open(load: Load): Promise<void> {
      topics.set(load.summary, await TopicUnderTest.fill(places.kafka.brokers, load));
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const topic = topics.get(load) as TopicUnderTest;
      const { lookup } = defaultFormat(load.shape.partitions);
      const indices = new IndicesUnderTest(elasticsearchUrl, lookup, load.shape);
      await shown?.empty();
      await journal.empty();
      await indices.remove();
      const groupId = topic.freshGroup();
      const where = { brokers: places.kafka.brokers, storeUrl: journal.url, elasticsearchUrl, redisUrl };
      const order = { ...where, topic: topic.name, groupId, ends: load.ends, journalChanges };
      const notes = await service.run(order, meter);
      const indexWrites = await indices.writes();
      await indices.check(load);
      await (journalChanges === 'all' ? journal.check(load) : journal.checkEmpty());
      await topic.check(groupId);
      return { indexWrites, notes };
    },
    async close() {
      service.close();
      await shown?.close();
    },
  };
}
