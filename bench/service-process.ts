import { asyncScheduler } from 'rxjs';
import { InFlight } from '../src/pipeline/position.ts';
import { runService } from '../src/pipeline/run-service.ts';
import { DEFAULT_IN_FLIGHT, DEFAULT_OPTIONS } from '../src/pipeline/stages.ts';
import { elasticsearchSink } from '../src/sinks/elasticsearch-sink.ts';
import { mysqlStore } from '../src/sinks/mysql-store.ts';
import { noBuffer } from '../src/sinks/no-buffer.ts';
import { redisBuffer } from '../src/sinks/redis-buffer.ts';
import { kafkaSource } from '../src/sources/kafka-source.ts';
import { defaultFormat } from './default-format.ts';
import { EventNotes } from './event-notes.ts';

/** One run of the service. */
export interface ServiceOrder {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  /** Number of records of each partition. */
  readonly ends: readonly number[];
  readonly storeUrl: string;
  readonly elasticsearchUrl: string;
  /** Null: without a buffer. */
  readonly redisUrl: string | null;
  readonly journalChanges: 'all' | 'none';
}

/** What is heard of it: `assigned` when it begins to read, `settled` when everything is, and one of the others at its end. */
export type ServiceNews =
  | { readonly news: 'assigned' | 'settled' }
  | { readonly news: 'done'; readonly notes: Readonly<Record<string, number>> }
  | { readonly news: 'failed'; readonly reason: string };

const tell = (news: ServiceNews): void => void process.send?.(news);

/** Runs the service until everything is settled, then stops it. */
async function serve(order: ServiceOrder): Promise<Readonly<Record<string, number>>> {
  globalThis.gc?.();
  const { ends, redisUrl } = order;
  const events = new EventNotes();
  const { format, lookup } = defaultFormat(ends.length);
  const inFlight = new InFlight(DEFAULT_IN_FLIGHT);
  const store = mysqlStore({ url: order.storeUrl, lookup });
  await store.open();
  let isSettled = (): boolean => false;
  const source = kafkaSource({
    brokers: order.brokers,
    groupId: order.groupId,
    topics: [order.topic],
    inFlight,
    registry: store,
    scheduler: asyncScheduler,
    onEvent: (event) => {
      if (event.type === 'assigned') tell({ news: 'assigned' });
      if (event.type === 'paused' && event.isPaused && !isSettled()) events.add('pauses', 1);
    },
  });
  source.assignments.subscribe(({ partitions }) => {
    isSettled = () => partitions.every((log) => log.settled === ends[log.partition]);
  });
  const parts = {
    source,
    format,
    buffer: redisUrl === null ? noBuffer() : redisBuffer({ url: redisUrl }),
    store,
    index: elasticsearchSink({ nodes: [order.elasticsearchUrl], shards: 1, replicas: 0 }),
    inFlight,
    report: events.report,
    scheduler: asyncScheduler,
  };
  let isTold = false;
  const service = runService(parts, { ...DEFAULT_OPTIONS, journalChanges: order.journalChanges }, () => {
    if (isTold || !isSettled()) return;
    isTold = true;
    tell({ news: 'settled' });
    service.stop();
  });
  await service.done;
  events.check();
  return events.notes;
}

process.on('message', (order: ServiceOrder) => {
  serve(order).then(
    (notes) => tell({ news: 'done', notes }),
    (error: unknown) =>
      tell({ news: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
