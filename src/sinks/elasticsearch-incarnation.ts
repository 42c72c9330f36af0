import { type ElasticsearchRequests, requestErrorOf } from './elasticsearch-requests.ts';

interface ClusterState {
  readonly metadata?: { readonly indices?: Readonly<Record<string, { readonly primary_terms?: unknown }>> };
  readonly routing_table?: {
    readonly indices?: Readonly<Record<string, { readonly shards?: Readonly<Record<string, readonly Copy[]>> }>>;
  };
}

interface Copy {
  readonly primary?: boolean;
  readonly state?: string;
  readonly node?: string | null;
  readonly allocation_id?: { readonly id?: string };
}

interface Nodes {
  readonly nodes?: Readonly<Record<string, { readonly jvm?: { readonly start_time_in_millis?: number } }>>;
}

/**
 * One line for each primary shard of the indices: where it is allocated, its term, and when that node started.
 * Elasticsearch keeps versions of deletes in the memory of the primary, so a text that differs says that some may be
 * forgotten; the same text says that none is, but for `gc_deletes`.
 *
 * Rejects with E3001 while a primary has no node, and with E3001 or E3002 when the cluster does not tell.
 */
export async function incarnationOf(requests: ElasticsearchRequests, indices: readonly string[]): Promise<string> {
  if (indices.length === 0) return '';
  const [state, nodes] = await Promise.all([
    requests.ask({
      method: 'GET',
      path: `/_cluster/state/metadata,routing_table/${indices.map(encodeURIComponent).join(',')}`,
      query: {
        ignore_unavailable: 'true',
        filter_path:
          'metadata.indices.*.primary_terms,' +
          'routing_table.indices.*.shards.*.primary,routing_table.indices.*.shards.*.state,' +
          'routing_table.indices.*.shards.*.node,routing_table.indices.*.shards.*.allocation_id',
      },
    }),
    requests.ask({
      method: 'GET',
      path: '/_nodes/jvm',
      query: { filter_path: 'nodes.*.jvm.start_time_in_millis' },
    }),
  ]);
  for (const answer of [state, nodes])
    if (answer.kind === 'none' || answer.status !== 200) throw requestErrorOf(answer, 'where primary shards are');
  return linesOf((state as { body: ClusterState }).body, (nodes as { body: Nodes }).body).join('\n');
}

function linesOf({ metadata, routing_table: routing }: ClusterState, { nodes }: Nodes): string[] {
  const lines: string[] = [];
  for (const [index, { shards = {} }] of Object.entries(routing?.indices ?? {})) {
    const terms = JSON.stringify(metadata?.indices?.[index]?.primary_terms ?? null);
    for (const [shard, copies] of Object.entries(shards)) {
      const primary = copies.find((copy) => copy.primary === true);
      const startedMs = nodes?.[primary?.node ?? '']?.jvm?.start_time_in_millis;
      if (startedMs === undefined || primary?.allocation_id?.id === undefined) {
        const unknown = { kind: 'none', errorType: 'primary_not_allocated' } as const;
        throw requestErrorOf(unknown, 'where primary shards are');
      }
      lines.push(`${index}/${shard} ${primary.allocation_id.id} ${primary.node} ${startedMs} ${terms}`);
    }
  }
  return lines.sort();
}
