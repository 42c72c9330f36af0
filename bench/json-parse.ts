import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import { KeptValues } from './record-feed.ts';
import type { RunNotes, Scenario } from './scenario.ts';

/** The reference beside intake: each record's value as text, parsed whole, and nothing done with it. */
export function jsonParse(): Scenario {
  const kept = new KeptValues();
  return {
    async open(load: Load) {
      kept.keep(load);
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const values = kept.values(load).flat();
      let rows = 0;
      meter.start();
      for (const value of values) {
        rows += (JSON.parse(value.toString()) as { data: unknown[] }).data.length;
      }
      meter.stop();
      if (rows !== load.shape.rows) throw new Error(`${rows} rows were read of ${load.shape.rows}`);
      return { indexWrites: null, notes: {} };
    },
    async close() {},
  };
}
