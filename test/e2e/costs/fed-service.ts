import { concatMap, from, lastValueFrom, Observable, of, ReplaySubject } from 'rxjs';
import { defaultFormat } from '../../../bench/default-format.ts';
import { IndexUnderTest } from '../../../bench/index-under-test.ts';
import { JournalUnderTest } from '../../../bench/journal-under-test.ts';
import { type Load, makeLoad } from '../../../bench/load.ts';
import { DATABASE, TABLE } from '../../../bench/order-row.ts';
import { logRecords } from '../../../bench/record-feed.ts';
import { type Change, type RecordBatch, recordsSize } from '../../../src/pipeline/change.ts';
import type { PipelineEvent } from '../../../src/pipeline/events.ts';
import type { Assignment, ChangeBuffer, RecordSource } from '../../../src/pipeline/ports.ts';
import { InFlight, PartitionLog } from '../../../src/pipeline/position.ts';
import { runService } from '../../../src/pipeline/run-service.ts';
import { DEFAULT_OPTIONS, type SyncOptions } from '../../../src/pipeline/stages.ts';
import { elasticsearchSink } from '../../../src/sinks/elasticsearch-sink.ts';
import { mysqlStore } from '../../../src/sinks/mysql-store.ts';
import { redisBuffer } from '../../../src/sinks/redis-buffer.ts';
import { recordSlices } from '../../../src/sources/record-slices.ts';
import { SteadyClock } from '../../pipeline/steady-clock.ts';
import { type CountedServers, countsBetween, readCounts, type ServerCounts } from './server-counts.ts';

const TOPIC = 'costs';
/** A busy machine must not become an outage, which would make calls fewer. */
const PATIENCE_MS = 60_000;

/** 10,000 changes, one a record: inserts of as many keys in order, or updates of 20,000 keys drawn by Zipf's law. */
export function loadOf(kind: 'unique' | 'zipf', partitions: number): Load {
  const shape = kind === 'zipf' ? { keys: 20_000, skew: 1.1 } : { keys: 10_000, skew: 0 };
  return makeLoad({ ...shape, name: kind, rows: 10_000, rowsPerMessage: 1, partitions, seed: 1 });
}

export interface Feeding {
  /**
   * `steady`: a slice comes when the one before is journaled, as to a stream that keeps up. `behind`: the journal answers
   * only when everything is in Redis, so that what has waited goes together.
   */
  readonly pace: 'steady' | 'behind';
  /** Records of a slice at most; as a source cuts them by default. */
  readonly sliceRecords?: number;
  /** Options of the pipeline that are not the default ones. */
  readonly options?: Partial<SyncOptions>;
}

/**
 * Runs the service on real servers over a load from memory, in one window that ends with the input, and tells what the
 * servers were asked. Its clock stands still: nothing happens because time has passed. Rejects when documents or journal
 * are not right in the end.
 */
export async function countFed(servers: CountedServers, load: Load, feeding: Feeding): Promise<ServerCounts> {
  const { summary } = load;
  const { format, lookup } = defaultFormat(summary.shape.partitions);
  const table = lookup(DATABASE, TABLE);
  if (table === null) throw new Error('the table of the load is not routed');
  const index = new IndexUnderTest(servers.elasticsearch.url, table);
  const journal = new JournalUnderTest(servers.mariadb);
  await index.empty();
  await journal.empty();

  const clock = new SteadyClock();
  clock.advance(Date.UTC(2026, 0, 5, 8));
  const inFlight = new InFlight({ bytes: 128 << 20, changes: 500_000 });
  const feed = new Feed(load, inFlight, feeding);
  const store = mysqlStore({ url: journal.url, lookup, timeoutMs: PATIENCE_MS });
  await store.open();
  const buffer = redisBuffer({ url: servers.redis.url, timeoutMs: PATIENCE_MS });
  await buffer.ping();
  const sink = elasticsearchSink({ nodes: [servers.elasticsearch.url], shards: 1, replicas: 0 });
  const before = await readCounts(servers, table.index);
  const buffered = new IdleBuffer(buffer);
  const isOpen = feeding.pace === 'behind' ? from(buffered.isIdle) : of(undefined);
  const parts = {
    source: feed.source,
    format,
    buffer: { ...buffer, upsert: (changes: readonly Change[]) => buffered.upsert(changes) },
    store: {
      ...store,
      append: (...given: Parameters<typeof store.append>) => isOpen.pipe(concatMap(() => store.append(...given))),
    },
    index: sink,
    inFlight,
    report: (event: PipelineEvent) => feed.hear(event),
    scheduler: clock,
  };
  const beat = setInterval(() => clock.advance(0), 1);
  try {
    await runService(parts, { ...DEFAULT_OPTIONS, ...feeding.options }).done;
  } finally {
    clearInterval(beat);
  }
  const after = await readCounts(servers, table.index);
  await index.check(summary);
  await journal.check(summary);
  return countsBetween(before, after);
}

/** Tells when everything is stored that came at once: the next call begins as soon as the one before has ended. */
class IdleBuffer {
  readonly isIdle: Promise<void>;
  private readonly buffer: Pick<ChangeBuffer, 'upsert'>;
  private calls = 0;
  private tellIdle: () => void = () => undefined;

  constructor(buffer: Pick<ChangeBuffer, 'upsert'>) {
    this.buffer = buffer;
    this.isIdle = new Promise((resolve) => {
      this.tellIdle = resolve;
    });
  }

  async upsert(changes: readonly Change[]): Promise<void> {
    this.calls += 1;
    await lastValueFrom(from(this.buffer.upsert(changes)), { defaultValue: undefined });
    this.calls -= 1;
    setImmediate(() => {
      if (this.calls === 0) this.tellIdle();
    });
  }
}

/** A source that reads from memory, and hears how far the pipeline is. */
class Feed {
  readonly source: RecordSource;
  private readonly slices: RecordBatch[];
  private readonly inFlight: InFlight;
  private readonly pace: Feeding['pace'];
  private journaled = 0;
  private fed = 0;
  private emit: (batch: RecordBatch) => void = () => undefined;
  private end: () => void = () => undefined;

  constructor(load: Load, inFlight: InFlight, { pace, sliceRecords }: Feeding) {
    this.inFlight = inFlight;
    this.pace = pace;
    const logs = load.partitions.map((_, partition) => new PartitionLog(TOPIC, partition, 0, inFlight));
    this.slices = slicesOf(load, logs, sliceRecords);
    const assignments = new ReplaySubject<Assignment>(1);
    assignments.next({ generation: 1, partitions: logs });
    this.source = {
      records: new Observable((subscriber) => {
        this.emit = (batch) => subscriber.next(batch);
        this.end = () => subscriber.complete();
        // Not before the pipeline is subscribed as a whole.
        setImmediate(() => this.feed());
      }),
      assignments,
      stop: () => this.end(),
      commit: async () => undefined,
      close: async () => undefined,
    };
  }

  hear(event: PipelineEvent): void {
    if (event.type === 'dependency' && !event.isUp) throw new Error(`${event.name} was lost (${event.detail})`);
    if (event.type !== 'journaled') return;
    this.journaled += event.changes;
    if (this.pace === 'steady' && this.journaled === this.fed) setImmediate(() => this.feed());
  }

  private feed(): void {
    const next = this.slices.splice(0, this.pace === 'steady' ? 1 : this.slices.length);
    for (const batch of next) {
      this.fed += batch.records.length;
      this.inFlight.add(recordsSize(batch.records), batch.records.length);
      this.emit(batch);
    }
    if (this.slices.length === 0) this.end();
  }
}

/** The slices of all partitions, partitions in turn. */
function slicesOf(load: Load, logs: readonly PartitionLog[], maxRecords: number | undefined): RecordBatch[] {
  const cut = { epochAt: () => 0, ...(maxRecords === undefined ? {} : { maxRecords }) };
  const ofPartitions = logRecords(load.partitions).map((records, partition) => {
    const log = logs[partition] as PartitionLog;
    return [...recordSlices(records, { firstOffset: 0, nextOffset: records.length }, cut)].map((slice) => {
      const ticket = log.admit(slice.firstOffset, slice.nextOffset, null);
      return { topic: TOPIC, partition, epoch: 0, records: slice.records, ticket };
    });
  });
  const longest = Math.max(...ofPartitions.map((slices) => slices.length));
  return Array.from({ length: longest }, (_, turn) => ofPartitions.flatMap((slices) => slices[turn] ?? [])).flat();
}
