import type { PipelineEvent } from './events.ts';
import { ageSeconds, type GaugeSources } from './gauges.ts';

const NOTHING = {
  records: 0,
  settled: 0,
  coalesced: 0,
  retries: 0,
  parked: 0,
  recovered: 0,
  dead_lettered: 0,
  skipped: 0,
};

/** What happened since the last summary line, and where things stand: one line in place of a line a batch. */
export class Summary {
  private counts = { ...NOTHING };
  private sinceMs: number;
  private readonly sources: Pick<GaugeSources, 'inFlight' | 'logs'>;
  private readonly now: () => number;

  constructor(sources: Pick<GaugeSources, 'inFlight' | 'logs'>, now: () => number) {
    this.sources = sources;
    this.now = now;
    this.sinceMs = now();
  }

  count(event: PipelineEvent): void {
    const { counts } = this;
    switch (event.type) {
      case 'parsed':
        counts.records += event.records;
        for (const count of event.skipped.values()) counts.skipped += count;
        break;
      case 'window':
        counts.coalesced += event.superseded;
        break;
      case 'settled':
        counts.settled += event.upserts + event.deletes;
        break;
      case 'retrying':
        counts.retries += event.keys;
        break;
      case 'parked':
        counts.parked += event.keys;
        break;
      case 'recovered':
        counts.recovered += event.keys;
        break;
      case 'dead-lettered':
        counts.dead_lettered += event.count;
        break;
    }
  }

  /** The fields of the line; counting begins anew. */
  next(lag: number): Readonly<Record<string, unknown>> {
    const nowMs = this.now();
    const logs = this.sources.logs();
    const oldest = logs.map(({ oldestUnsettledMs }) => ageSeconds(oldestUnsettledMs, nowMs));
    const line = {
      component: 'summary',
      duration_s: (nowMs - this.sinceMs) / 1000,
      ...this.counts,
      partitions: logs.length,
      lag_records: lag,
      oldest_unsettled_s: Math.max(0, ...oldest),
      in_flight_bytes: this.sources.inFlight.bytes,
    };
    this.counts = { ...NOTHING };
    this.sinceMs = nowMs;
    return line;
  }
}
