import type { Table } from '../pipeline/change.ts';
import type { IndexSink, IndexWrite, Outcome } from '../pipeline/ports.ts';
import { bulkBody } from './elasticsearch-bulk-body.ts';
import { incarnationOf } from './elasticsearch-incarnation.ts';
import { ElasticsearchIndices } from './elasticsearch-indices.ts';
import { bulkOutcomes } from './elasticsearch-outcomes.ts';
import {
  type ElasticsearchAuth,
  ElasticsearchRequests,
  type ElasticsearchTls,
  errorTypeOf,
  requestErrorOf,
} from './elasticsearch-requests.ts';

export interface ElasticsearchSinkOptions {
  /** `http(s)://host:port`, one a node. With several, a request that one cannot take is given to each other once. */
  readonly nodes: readonly string[];
  readonly auth?: ElasticsearchAuth;
  readonly tls?: ElasticsearchTls;
  /** Bound on every request, milliseconds. 30000 by default. */
  readonly requestTimeoutMs?: number;
  /** How long an index we create remembers the version of a delete, in Elasticsearch's units. `1h` by default. */
  readonly gcDeletes?: string;
  /** Primary shards of an index we create. The server's default by default. */
  readonly shards?: number;
  /** Replicas of an index we create. The server's default by default. */
  readonly replicas?: number;
  /** Creates an index that is missing. True by default. */
  readonly createIndexes?: boolean;
}

export interface ElasticsearchSink extends IndexSink {
  /** What is unfit about indices seen so far but stops nothing: one sentence each. */
  readonly warnings: readonly string[];
}

const MAX_IDS = 1000;

/**
 * Writes documents to Elasticsearch 8 or 9 with external versions. No retry, no batching, no waiting inside: each `write`
 * is one bulk request (before the first of an index, its creation or inspection), and failures are outcomes.
 *
 * Delivery: `done` means that the index holds this version or a newer one, as durably as the index is set to.
 *
 * @throws RangeError when `nodes` is empty or the time-out is not above 0.
 */
export function elasticsearchSink(options: ElasticsearchSinkOptions): ElasticsearchSink {
  const { nodes, requestTimeoutMs = 30_000, gcDeletes = '1h', createIndexes = true } = options;
  if (nodes.length === 0) throw new RangeError('nodes must name at least one node');
  if (!(requestTimeoutMs > 0)) throw new RangeError(`requestTimeoutMs must be above 0, got ${requestTimeoutMs}`);
  const requests = new ElasticsearchRequests({ ...options, requestTimeoutMs });
  const indices = new ElasticsearchIndices(requests, { ...options, gcDeletes, createIndexes });
  /** Indices whose deletes somebody may ask about: one a table. */
  const known = new Set<string>();
  const bulkQuery = {
    // Elasticsearch waits so long for a primary; its own default outlasts ours, and we would not know.
    timeout: `${Math.min(10_000, Math.ceil(requestTimeoutMs / 2))}ms`,
    filter_path: 'errors,items.*.status,items.*.error.type,items.*.error.reason',
  };

  return {
    name: 'elasticsearch',
    warnings: indices.warnings,
    async write(writes: readonly IndexWrite[]): Promise<readonly Outcome[]> {
      const [first] = writes;
      if (first === undefined) return [];
      const { table } = first;
      known.add(table.index);
      const unfit = await indices.ensure(table);
      if (unfit !== null) return writes.map(() => unfit);
      const answer = await requests.ask({
        method: 'POST',
        path: `/${encodeURIComponent(table.index)}/_bulk`,
        query: bulkQuery,
        body: bulkBody(writes),
      });
      const outcomes = bulkOutcomes(
        answer,
        writes.map(({ document }) => document === null),
      );
      return outcomes.every(({ kind }) => kind === 'done') ? outcomes : reconsider(table, writes, outcomes);
    },
    async versions(table: Table, keys: readonly string[]): Promise<readonly (number | null)[]> {
      known.add(table.index);
      const versions: (number | null)[] = [];
      for (let i = 0; i < keys.length; i += MAX_IDS)
        versions.push(...(await versionsOf(requests, table, keys.slice(i, i + MAX_IDS))));
      return versions;
    },
    incarnation: () => incarnationOf(requests, [...known]),
    async ping(): Promise<void> {
      // Not GET /: some builds answer it with 405.
      const answer = await requests.ask({
        method: 'GET',
        path: '/_cluster/health',
        query: { filter_path: 'status', timeout: '1s' },
      });
      if (answer.kind === 'none' || answer.status !== 200) throw requestErrorOf(answer, 'a health check');
    },
    close: () => requests.close(),
  };

  /** Trouble may mean that the index was closed, removed or lost its write index: so it is looked at before documents are blamed. */
  async function reconsider(
    table: Table,
    writes: readonly IndexWrite[],
    outcomes: readonly Outcome[],
  ): Promise<readonly Outcome[]> {
    const isTaken = outcomes.some(({ kind }, i) => kind === 'done' && writes[i]?.document !== null);
    const isHeld = outcomes.some(({ kind }) => kind === 'hold');
    const isBlamed = !isTaken && outcomes.some(({ kind }) => kind === 'reject');
    if (isHeld || isBlamed) indices.forget(table);
    if (!isBlamed) return outcomes;
    const unfit = await indices.ensure(table);
    if (unfit === null) return outcomes;
    return outcomes.map((outcome) => (outcome.kind === 'reject' ? unfit : outcome));
  }
}

interface Found {
  readonly found?: boolean;
  readonly _version?: number;
  readonly error?: { readonly type?: string };
}

/** A missing index holds no document, so nothing is unknown about it. */
async function versionsOf(
  requests: ElasticsearchRequests,
  table: Table,
  ids: readonly string[],
): Promise<(number | null)[]> {
  const answer = await requests.ask({
    method: 'POST',
    path: `/${encodeURIComponent(table.index)}/_mget`,
    query: { _source: 'false', realtime: 'true', filter_path: 'docs.found,docs._version,docs.error.type' },
    body: { ids },
  });
  if (errorTypeOf(answer) === 'index_not_found_exception') return ids.map(() => null);
  const docs = answer.kind === 'response' ? (answer.body as { docs?: readonly Found[] } | null)?.docs : undefined;
  if (docs?.length !== ids.length) throw requestErrorOf(answer, 'versions of documents');
  return docs.map(({ found, _version: version, error }) => {
    if (found === true && typeof version === 'number') return version;
    if (found === false || error?.type === 'index_not_found_exception') return null;
    throw requestErrorOf({ kind: 'none', errorType: error?.type ?? 'unreadable_answer' }, 'versions of documents');
  });
}
