import type { ServerSpec } from '../test/e2e/stack.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';

/** What a scenario may use; only what it asked for is started. */
export interface Places {
  readonly kafka?: { readonly brokers: readonly string[] };
  readonly elasticsearch?: { readonly url: string };
  readonly redis?: { readonly url: string };
  readonly mariadb?: { readonly url: string; readonly spec: ServerSpec };
  /** Peers write to servers of their own: each needs what the other cannot use. */
  readonly bentoElasticsearch?: { readonly url: string };
  readonly flinkElasticsearch?: { readonly url: string };
}

export type ServerName = keyof Places;

/** What a run tells besides its cost. */
export interface RunNotes {
  /** Documents that Elasticsearch says it wrote; null where none is involved. */
  readonly indexWrites: number | null;
  /** What did not go straight: retries, conflicts, windows that closed early. */
  readonly notes: Readonly<Record<string, number>>;
}

/** One thing that is measured. */
export interface Scenario {
  /** Called once for each load, before its first run: the bytes are not kept for anyone who does not keep them. */
  open(load: Load): Promise<void>;
  /**
   * Runs a load from an empty state and checks what came of it; only what lies between the meter's `start` and `stop` is
   * measured. Rejects when the final state is wrong: such a run has no rate.
   */
  run(load: LoadSummary, meter: Meter): Promise<RunNotes>;
  close(): Promise<void>;
}

export const SCENARIOS = [
  'limit',
  'limit-2x2000',
  'limit-4x1000',
  'json-parse',
  'intake',
  'kafka-limit',
  'kafka-fold',
  'stores-limit',
  'buffered',
  'end-to-end-lean',
  'end-to-end',
  'bento',
  'flink',
] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

/** Other systems that do the work: measured only when they are asked for, since they have to be installed. */
export const PEERS: readonly ScenarioName[] = ['bento', 'flink'];

/** Parts of the service, measured under its flags. What they are compared with runs as anybody runs it: under Node's defaults. */
export const PARTS: readonly ScenarioName[] = ['intake', 'kafka-fold', 'buffered'];

/** The bare bulk client at each of its settings: which is best is seen in each round. */
export const LIMITS: readonly ScenarioName[] = ['limit', 'limit-2x2000', 'limit-4x1000'];

/** Servers that each scenario needs. */
export const SERVERS_OF: Readonly<Record<ScenarioName, readonly ServerName[]>> = {
  limit: ['elasticsearch'],
  'limit-2x2000': ['elasticsearch'],
  'limit-4x1000': ['elasticsearch'],
  'json-parse': [],
  intake: [],
  'kafka-limit': ['kafka'],
  'kafka-fold': ['kafka'],
  'stores-limit': ['redis', 'mariadb'],
  buffered: ['redis', 'mariadb'],
  'end-to-end-lean': ['kafka', 'mariadb', 'elasticsearch'],
  'end-to-end': ['kafka', 'redis', 'mariadb', 'elasticsearch'],
  bento: ['kafka', 'bentoElasticsearch'],
  flink: ['kafka', 'flinkElasticsearch'],
};
