import { asyncScheduler, lastValueFrom, tap } from 'rxjs';
import { latestPerKey } from '../src/operators/latest-per-key.ts';
import { parseChanges } from '../src/operators/parse-changes.ts';
import type { TopicRegistry } from '../src/sources/kafka-checks.ts';
import { kafkaSource } from '../src/sources/kafka-source.ts';
import { defaultFormat } from './default-format.ts';
import { EventNotes } from './event-notes.ts';
import { InstantSink } from './instant-sink.ts';
import { FETCH } from './kafka-limit.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import type { Places, RunNotes, Scenario } from './scenario.ts';
import { stagesUnderTest } from './stages-under-test.ts';
import { TopicUnderTest } from './topic-under-test.ts';

/** Kafka → parse → fold, and a sink that takes every batch at once. Positions pass what is settled and are committed. */
export function kafkaFold({ kafka }: Required<Pick<Places, 'kafka'>>): Scenario {
  const topics = new Map<LoadSummary, TopicUnderTest>();
  return {
    async open(load: Load): Promise<void> {
      topics.set(load.summary, await TopicUnderTest.fill(kafka.brokers, load));
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const topic = topics.get(load) as TopicUnderTest;
      const groupId = topic.freshGroup();
      const events = new EventNotes();
      const sink = new InstantSink(load);
      const { inFlight, parse, window } = stagesUnderTest(defaultFormat(load.shape.partitions).format, events.report);
      let unread = load.records;
      const source = kafkaSource({
        ...FETCH,
        brokers: kafka.brokers,
        groupId,
        topics: [topic.name],
        inFlight,
        registry: forgetful,
        scheduler: asyncScheduler,
        onEvent: (event) => {
          if (event.type === 'assigned') meter.start();
          if (event.type !== 'fetched') return;
          unread -= event.records;
          if (unread === 0) source.stop(); // as at the end of a log: what is folded so far comes out
        },
      });
      const stream = source.records.pipe(
        parseChanges(parse),
        tap(({ ticket }) => ticket.journaled()), // nothing else would let positions pass
        latestPerKey(window),
      );
      try {
        await lastValueFrom(sink.take(stream), { defaultValue: null });
        meter.stop();
        await source.commit();
      } finally {
        await source.close();
      }
      events.check();
      sink.check();
      await topic.check(groupId);
      return { indexWrites: null, notes: { ...events.notes, documents: sink.documents } };
    },
    async close() {},
  };
}

/** Knows no topic: every one is new to it. */
const forgetful: TopicRegistry = {
  registration: async () => null,
  register: async () => undefined,
  positions: async () => [],
};
