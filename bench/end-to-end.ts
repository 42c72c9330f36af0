import { asyncScheduler } from 'rxjs';
import type { ChangeBuffer } from '../src/pipeline/ports.ts';
import { InFlight } from '../src/pipeline/position.ts';
import { runService } from '../src/pipeline/run-service.ts';
import { DEFAULT_OPTIONS } from '../src/pipeline/stages.ts';
import { elasticsearchSink } from '../src/sinks/elasticsearch-sink.ts';
import { mysqlStore } from '../src/sinks/mysql-store.ts';
import { noBuffer } from '../src/sinks/no-buffer.ts';
import { redisBuffer } from '../src/sinks/redis-buffer.ts';
import { kafkaSource } from '../src/sources/kafka-source.ts';
import { BufferUnderTest } from './buffer-under-test.ts';
import { defaultFormat } from './default-format.ts';
import { EventNotes } from './event-notes.ts';
import { IndicesUnderTest } from './indices-under-test.ts';
import { JournalUnderTest } from './journal-under-test.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import type { Places, RunNotes, Scenario } from './scenario.ts';
import { IN_FLIGHT } from './stages-under-test.ts';
import { TopicUnderTest } from './topic-under-test.ts';

type Needed = Required<Pick<Places, 'kafka' | 'mariadb' | 'elasticsearch'>>;

/** The whole service with everything on. */
export function endToEnd(places: Needed & Required<Pick<Places, 'redis'>>): Scenario {
  const { url } = places.redis;
  const shown = new BufferUnderTest(url);
  return wholeWay(places, {
    journalChanges: 'all',
    buffer: () => redisBuffer({ url }),
    empty: () => shown.empty(),
    close: () => shown.close(),
  });
}

/** The same without Redis, and with nothing in the journal: these loads delete nothing. Versions are still sent. */
export function endToEndLean(places: Needed): Scenario {
  return wholeWay(places, { journalChanges: 'none', buffer: noBuffer, empty: async () => {}, close: async () => {} });
}

interface Extras {
  readonly journalChanges: 'all' | 'none';
  buffer(): ChangeBuffer;
  /** Empties what the buffer writes to. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The service on real servers, from the moment its partitions are assigned until every record is settled: indexed,
 * journaled if it has to be, and passed by the position. The topic is full when it starts, and each run reads it as a
 * group of its own.
 */
function wholeWay(places: Needed, extras: Extras): Scenario {
  const journal = new JournalUnderTest(places.mariadb);
  const topics = new Map<LoadSummary, TopicUnderTest>();
  return {
    async open(load: Load): Promise<void> {
      topics.set(load.summary, await TopicUnderTest.fill(places.kafka.brokers, load));
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const topic = topics.get(load) as TopicUnderTest;
      const { format, lookup } = defaultFormat(load.shape.partitions);
      const indices = new IndicesUnderTest(places.elasticsearch.url, lookup, load.shape);
      await extras.empty();
      await journal.empty();
      await indices.remove();
      const events = new EventNotes();
      const groupId = topic.freshGroup();
      await consume({ places, extras, topic, groupId, storeUrl: journal.url, format, lookup, events, load }, meter);
      const indexWrites = await indices.writes();
      await indices.check(load);
      await (extras.journalChanges === 'all' ? journal.check(load) : journal.checkEmpty());
      await topic.check(groupId);
      return { indexWrites, notes: events.notes };
    },
    close: () => extras.close(),
  };
}

interface Run extends Pick<ReturnType<typeof defaultFormat>, 'format' | 'lookup'> {
  readonly places: Needed;
  readonly extras: Extras;
  readonly topic: TopicUnderTest;
  readonly groupId: string;
  readonly storeUrl: string;
  readonly events: EventNotes;
  readonly load: LoadSummary;
}

/** Runs the service until everything is settled, measured from the assignment on, then stops it. */
async function consume(run: Run, meter: Meter): Promise<void> {
  const { events, extras, format, groupId, load, lookup, places, topic } = run;
  const inFlight = new InFlight(IN_FLIGHT);
  const store = mysqlStore({ url: run.storeUrl, lookup });
  await store.open();
  let isSettled = (): boolean => false;
  const source = kafkaSource({
    brokers: places.kafka.brokers,
    groupId,
    topics: [topic.name],
    inFlight,
    registry: store,
    scheduler: asyncScheduler,
    onEvent: (event) => {
      if (event.type === 'assigned') meter.start();
      if (event.type === 'paused' && event.isPaused && !isSettled()) events.add('pauses', 1);
    },
  });
  source.assignments.subscribe(({ partitions }) => {
    isSettled = () => partitions.every((log) => log.settled === load.ends[log.partition]);
  });
  const parts = {
    source,
    format,
    buffer: extras.buffer(),
    store,
    index: elasticsearchSink({ nodes: [places.elasticsearch.url], shards: 1, replicas: 0 }),
    inFlight,
    report: events.report,
    scheduler: asyncScheduler,
  };
  const service = runService(parts, { ...DEFAULT_OPTIONS, journalChanges: extras.journalChanges }, () => {
    if (!isSettled()) return;
    meter.stop();
    service.stop();
  });
  await service.done;
  events.check();
}
