import { lastValueFrom } from 'rxjs';
import { latestPerKey } from '../src/operators/latest-per-key.ts';
import { parseChanges } from '../src/operators/parse-changes.ts';
import { defaultFormat } from './default-format.ts';
import { EventNotes } from './event-notes.ts';
import { InstantSink } from './instant-sink.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import { KeptValues, logRecords, recordFeed } from './record-feed.ts';
import type { RunNotes, Scenario } from './scenario.ts';
import { stagesUnderTest } from './stages-under-test.ts';

/** Parse → fold without any I/O: records in memory, and a sink that takes every batch at once. */
export function intake(): Scenario {
  const kept = new KeptValues();
  return {
    async open(load: Load): Promise<void> {
      kept.keep(load);
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const events = new EventNotes();
      const sink = new InstantSink(load);
      const { inFlight, parse, window } = stagesUnderTest(defaultFormat(load.shape.partitions).format, events.report);
      const records = logRecords(kept.values(load));
      const stream = recordFeed(records, inFlight).pipe(parseChanges(parse), latestPerKey(window));
      meter.start();
      await lastValueFrom(sink.take(stream), { defaultValue: null });
      meter.stop();
      events.check();
      sink.check();
      return { indexWrites: null, notes: { ...events.notes, documents: sink.documents } };
    },
    async close() {},
  };
}
