import { lastValueFrom } from 'rxjs';
import { backUp } from '../src/operators/back-up.ts';
import { latestPerKey } from '../src/operators/latest-per-key.ts';
import { parseChanges } from '../src/operators/parse-changes.ts';
import { upsertBuffer } from '../src/operators/upsert-buffer.ts';
import { mysqlStore } from '../src/sinks/mysql-store.ts';
import { redisBuffer } from '../src/sinks/redis-buffer.ts';
import { BufferUnderTest } from './buffer-under-test.ts';
import { defaultFormat } from './default-format.ts';
import { EventNotes } from './event-notes.ts';
import { InstantSink } from './instant-sink.ts';
import { JournalUnderTest } from './journal-under-test.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import { KeptValues, logRecords, recordFeed } from './record-feed.ts';
import type { Places, RunNotes, Scenario } from './scenario.ts';
import { stagesUnderTest } from './stages-under-test.ts';

/** Parse → Redis → journal → fold on real servers, and a sink that takes every batch at once. */
export function buffered({ redis, mariadb }: Required<Pick<Places, 'redis' | 'mariadb'>>): Scenario {
  const kept = new KeptValues();
  const shown = new BufferUnderTest(redis.url);
  const journal = new JournalUnderTest(mariadb);

  return {
    async open(load: Load): Promise<void> {
      kept.keep(load);
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      await shown.empty();
      await journal.empty();
      const events = new EventNotes();
      const sink = new InstantSink(load);
      const { format, lookup } = defaultFormat(load.shape.partitions);
      const { inFlight, parse, window } = stagesUnderTest(format, events.report);
      const common = { inFlight, report: events.report, scheduler: window.scheduler };
      const store = mysqlStore({ url: journal.url, lookup });
      const buffer = redisBuffer({ url: redis.url });
      await store.open();
      await buffer.ping();
      const records = logRecords(kept.values(load));
      const stream = recordFeed(records, inFlight).pipe(
        parseChanges(parse),
        upsertBuffer({ ...common, buffer }),
        backUp({ ...common, store, changes: 'all', deletesMustBeDurable: true }),
        latestPerKey(window),
      );
      meter.start();
      await lastValueFrom(sink.take(stream), { defaultValue: null });
      meter.stop();
      await buffer.close();
      await store.close();
      events.check();
      sink.check();
      await shown.check(load);
      await journal.check(load);
      return { indexWrites: null, notes: { ...events.notes, documents: sink.documents } };
    },
    async close() {
      await shown.close();
    },
  };
}
