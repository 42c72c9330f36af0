import type { SchedulerLike } from 'rxjs';
import { isEncrypted, tlsOptions, urlWithCredentials } from '../config/connections.ts';
import type { Config } from '../config/load.ts';
import { crashPointOfProcess, processConfig } from '../config/process-config.ts';
import type { Settings } from '../config/schema.ts';
import { durationMs } from '../config/value-texts.ts';
import { canalJson } from '../formats/canal-json.ts';
import { crashPoint } from '../pipeline/crash-points.ts';
import type { Report } from '../pipeline/events.ts';
import type { ChangeBuffer, IndexSink, RecordSource, Store, TableLookup } from '../pipeline/ports.ts';
import { InFlight } from '../pipeline/position.ts';
import { DEFAULT_OPTIONS, type Parts, type SyncOptions } from '../pipeline/stages.ts';
import { type Tables, tables } from '../pipeline/tables.ts';
import { directorySink } from '../sinks/directory-sink.ts';
import { elasticsearchSink } from '../sinks/elasticsearch-sink.ts';
import { memoryBuffer } from '../sinks/memory-buffer.ts';
import { mysqlStore } from '../sinks/mysql-store.ts';
import { noBuffer } from '../sinks/no-buffer.ts';
import { redisBuffer } from '../sinks/redis-buffer.ts';
import { sqliteStore } from '../sinks/sqlite-store.ts';
import { fileSource } from '../sources/file-source.ts';
import { kafkaSource } from '../sources/kafka-source.ts';
import type { SourceEvent } from '../sources/source-event.ts';
import { steadyScheduler } from './steady-scheduler.ts';

const HOUR_MS = 3_600_000;

export interface Hooks {
  readonly report: Report;
  readonly onSourceEvent: (event: SourceEvent) => void;
  readonly scheduler: SchedulerLike;
}

/** Adapters, and the tables they know: what a stage of one's own takes further tables from. */
export interface Connected extends Parts {
  readonly tables: Tables;
}

type Source = RecordSource & { partitionCount(topic: string, epoch?: number): number };

/**
 * Makes the adapters that a configuration names. Nothing is connected yet, but the store must be opened before use.
 * Without hooks nobody hears of events, and time passes as for the command.
 */
export function connect(config: Config, given: Partial<Hooks> = {}): Connected {
  const hooks = { report: () => undefined, onSourceEvent: () => undefined, scheduler: steadyScheduler, ...given };
  const { report, scheduler } = hooks;
  const crash = crashPoint(crashPointOfProcess(), () => process.kill(process.pid, 'SIGKILL'), scheduler);
  const inFlight = new InFlight({ bytes: config.inFlight.bytes, changes: config.inFlight.changes });
  const routes = routesOf(config);
  const store = crash.port('store', storeOf(config.journal, lookupOf(routes)));
  const onSourceEvent = (event: SourceEvent): void => {
    if (event.type === 'committed') crash.committed();
    hooks.onSourceEvent(event);
  };
  const source = crash.source(sourceOf(config, { ...hooks, onSourceEvent, inFlight, store }));
  const format = canalJson({ tables: routes, partitionCount: (topic, epoch) => source.partitionCount(topic, epoch) });
  const buffer = crash.port('buffer', bufferOf(config.buffer, scheduler));
  const index = crash.port('index', indexOf(config.index));
  return { source, format, buffer, store, index, inFlight, report, scheduler, tables: routes };
}

/** The settings of the stages. A file is drained to its end however long that takes. */
export function syncOptions({ drainMs, index, journal, source, window }: Config): SyncOptions {
  return {
    ...DEFAULT_OPTIONS,
    window,
    batch: index.batch,
    slots: index.slots,
    maxAttempts: index.retry.maxAttempts,
    backoff: { firstMs: index.retry.firstMs, maxMs: index.retry.maxMs },
    holdMs: index.holdMs,
    journalChanges: journal.changes,
    drainMs: source.type === 'file' ? Number.POSITIVE_INFINITY : drainMs,
    pauseLimitMs: index.pauseLimitHours * HOUR_MS,
    gcDeletesMs: durationMs(index.gcDeletes),
    keepMs: journal.keepHours * HOUR_MS,
  };
}

/** No position stands still for so long unless something is wrong: below it is any way of a batch through its slot. Milliseconds. */
export function stuckMs({ index, window }: Config): number {
  const requestMs = index.type === 'elasticsearch' ? index.requestTimeoutMs : 0;
  // Attempts, and the requests in which the one that spoils a batch is found, each with the longest wait after it.
  const inSlotMs = (index.retry.maxAttempts + 24) * (requestMs + index.retry.maxMs);
  return Math.max(900_000, inSlotMs + (window.parkAfterWindows + 2) * window.ms);
}

/** The store alone, open: for commands that look at it beside a running service. */
export async function openStore(file: string | undefined): Promise<Store> {
  const config = processConfig(file);
  const store = storeOf(config.journal, lookupOf(routesOf(config)));
  await store.open();
  return store;
}

function routesOf({ journal, source, tables: given }: Config): Tables {
  const { canalZone } = source;
  const rules = given.map((rule) => ({ ...rule, canalZone: rule.canalZone ?? canalZone }));
  const urls = journal.type === 'mysql' ? [journal.url, ...(journal.shards?.urls ?? [])] : [];
  return tables({
    rules: rules.length === 0 ? [{ match: '*', canalZone }] : rules,
    storeDatabases: urls.map((url) => new URL(url).pathname.slice(1)),
  });
}

function lookupOf(routes: Tables): TableLookup {
  return (database, name) => {
    const found = routes.lookup(database, name);
    return found !== null && 'table' in found ? found.table : null;
  };
}

/** Bytes worth a fetch: half of what one partition may give. */
const FETCH_BYTES = 512 << 10;
/** Of a window, what a change may wait for others to be fetched with: a batch costs the same for one row and for hundreds. */
const FETCH_SHARE = 1 / 20;
const MOST_FETCH_WAIT_MS = 300;

function sourceOf({ source, window }: Config, hooks: Hooks & { inFlight: InFlight; store: Store }): Source {
  const { inFlight, onSourceEvent, scheduler, store } = hooks;
  if (source.type === 'file') {
    const { path, topic, partitions } = source;
    return fileSource({ path, topic, inFlight, scheduler, ...(partitions === undefined ? {} : { partitions }) });
  }
  const maxWaitMs = Math.max(1, Math.min(MOST_FETCH_WAIT_MS, Math.round(window.ms * FETCH_SHARE)));
  const reading = { ...kafkaOptions(source), minBytes: FETCH_BYTES, maxWaitMs };
  return kafkaSource({ ...reading, inFlight, registry: store, scheduler, onEvent: onSourceEvent });
}

/** How to reach Kafka, and what to read there. */
export function kafkaOptions(source: Extract<Settings['source'], { type: 'kafka' }>) {
  const { brokers, clientId, groupId, sasl, sessionTimeoutMs, ssl, topics } = source;
  const tls = tlsOptions(ssl);
  return {
    brokers,
    clientId,
    groupId,
    topics,
    sessionTimeoutMs,
    ...(tls === null ? {} : { ssl: tls }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
  };
}

type Sasl = NonNullable<Extract<Settings['source'], { type: 'kafka' }>['sasl']>;

function saslOf({ mechanism, password, username }: Sasl) {
  return { mechanism, username, password: password.reveal() };
}

function bufferOf(buffer: Settings['buffer'], scheduler: SchedulerLike): ChangeBuffer {
  if (buffer.type === 'none') return noBuffer();
  if (buffer.type === 'memory') {
    return memoryBuffer({ maxBytes: buffer.maxBytes, expirySeconds: buffer.expirySeconds, scheduler });
  }
  const { expirySeconds, nodes, password, timeoutMs, tls: tlsSettings, url, username } = buffer;
  const tls = tlsOptions(tlsSettings);
  return redisBuffer({
    expirySeconds,
    timeoutMs,
    ...(url === undefined ? {} : { url }),
    ...(nodes === undefined ? {} : { nodes }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: password.reveal() }),
    ...(tls === null ? {} : { tls }),
  });
}

function storeOf(journal: Settings['journal'], lookup: TableLookup): Store {
  if (journal.type === 'sqlite') return sqliteStore({ path: journal.path, lookup });
  const { password, shards, tls: tlsSettings, url, username } = journal;
  const tls = tlsOptions(tlsSettings);
  const withUser = (address: string): string => urlWithCredentials(address, username, password);
  return mysqlStore({
    url: withUser(url),
    lookup,
    ...(tls === null ? {} : { tls }),
    ...(shards === undefined
      ? {}
      : {
          journal: { tables: shards.tables, ...(shards.urls === undefined ? {} : { urls: shards.urls.map(withUser) }) },
        }),
  });
}

function indexOf(index: Settings['index']): IndexSink {
  if (index.type === 'directory') return directorySink({ path: index.path });
  const { auth, createIndexes, gcDeletes, nodes, requestTimeoutMs, tls: tlsSettings } = index;
  const tls = tlsOptions(tlsSettings);
  const { apiKey, password, username } = auth ?? {};
  return elasticsearchSink({
    nodes,
    requestTimeoutMs,
    gcDeletes,
    createIndexes,
    ...(isEncrypted(tlsSettings) && tls !== null ? { tls } : {}),
    ...(apiKey !== undefined ? { auth: { apiKey: apiKey.reveal() } } : {}),
    ...(username !== undefined && password !== undefined ? { auth: { username, password: password.reveal() } } : {}),
  });
}
