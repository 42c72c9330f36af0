import kafkajs, { type Admin, type ISocketFactory, type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs';
import { asyncScheduler, defer, firstValueFrom, retry, type SchedulerLike, throwError, timer } from 'rxjs';
import { SluiceError } from '../pipeline/errors.ts';
import { OUT_OF_RANGE, patchKafkajs } from './kafkajs-patches.ts';
import type { SourceEvent } from './source-event.ts';

export interface KafkaClientOptions {
  /** `host:port` of some brokers; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** How the broker's logs name this client. Default `sluice`. */
  readonly clientId?: string;
  /** Options of `tls.connect`, or true for its defaults. Default: no TLS. */
  readonly ssl?: KafkaConfig['ssl'];
  readonly sasl?: SASLOptions;
  readonly onEvent: (event: SourceEvent) => void;
}

/**
 * A Kafka client with our settings and patches. Make one for each consumer: consumers of one client share a map of
 * committed offsets, which each join clears. `plainSocket` makes its sockets where there is no TLS.
 */
export function kafkaClient(
  { brokers, clientId = 'sluice', ssl, sasl, onEvent }: KafkaClientOptions,
  plainSocket?: ISocketFactory,
): Kafka {
  for (const detail of patchKafkajs()) onEvent({ type: 'warning', detail });
  return new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    connectionTimeout: 10_000,
    requestTimeout: 30_000,
    retry: { retries: 5, maxRetryTime: 10_000 },
    logLevel: kafkajs.logLevel.WARN,
    // The message only: what kafkajs adds to it (stacks, requests) may hold values.
    logCreator:
      () =>
      ({ namespace, log }) =>
        onEvent({ type: 'warning', detail: `kafkajs ${namespace}: ${log.message}` }),
    ...(ssl === undefined ? {} : { ssl }),
    ...(ssl || plainSocket === undefined ? {} : { socketFactory: plainSocket }),
    ...(sasl === undefined ? {} : { sasl }),
  });
}

const ASK_AGAIN = 10;
const LONGEST_WAIT_MS = 2000;

/**
 * Lends a connected admin client for some questions: one that is kept would be another idle connection to look after.
 * The questions are asked again for about 15 s while the answer is one that passes, as "not the coordinator" does, which
 * a new cluster gives to its first group: kafkajs repeats most requests by itself, but not all of the admin's.
 */
export function withAdmin<T>(
  kafka: Kafka,
  ask: (admin: Admin) => Promise<T>,
  scheduler: SchedulerLike = asyncScheduler,
): Promise<T> {
  const answers = defer(() => askOnce(kafka, ask)).pipe(
    retry({
      count: ASK_AGAIN,
      delay: (error, attempt) => {
        const passes = error instanceof kafkajs.KafkaJSError && error.retriable;
        return passes ? timer(Math.min(LONGEST_WAIT_MS, 100 * 2 ** attempt), scheduler) : throwError(() => error);
      },
    }),
  );
  return firstValueFrom(answers);
}

async function askOnce<T>(kafka: Kafka, ask: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await ask(admin);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** What kafkajs threw, as E2001. */
export function kafkaError(fact: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError('E2001', fact, {
    detail: error instanceof Error ? error.message : String(error),
    remedy: 'Check source.brokers, the credentials, and that the brokers are up',
    cause: error,
  });
}

/** `topic/partition` when the error, or what caused it, is that a position lies outside the log; else null. */
export function outOfRangePlace(error: unknown): string | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.name === OUT_OF_RANGE) return cause.message;
  }
  return null;
}
