import { type Table, versionOf } from '../src/pipeline/change.ts';
import { ElasticsearchIndices } from '../src/sinks/elasticsearch-indices.ts';
import { ElasticsearchRequests } from '../src/sinks/elasticsearch-requests.ts';
import type { LoadSummary } from './load.ts';
import { MYSQL_TYPE, tableOfKey, widened, wideRow } from './order-row.ts';

/** Documents of one page of a search: the most that Elasticsearch gives. */
const PAGE = 10_000;

/** Columns that are compared, in every copy. */
const COMPARED = { version: true, amount: true, note: true };

/** The index of an Elasticsearch of the bench's own, made as sluice makes it and looked at from beside. */
export class IndexUnderTest {
  private readonly url: string;
  private readonly table: Table;

  constructor(url: string, table: Table) {
    this.url = url;
    this.table = table;
  }

  /** Where documents are posted. */
  get bulkUrl(): string {
    return `${this.url}/${this.table.index}/_bulk`;
  }

  /** Makes it anew: one shard, no replica, every other setting and the mapping as sluice would. */
  async empty(): Promise<void> {
    await this.remove();
    const requests = new ElasticsearchRequests({ nodes: [this.url], requestTimeoutMs: 30_000 });
    const options = { createIndexes: true, gcDeletes: '1h', shards: 1, replicas: 0 };
    const unfit = await new ElasticsearchIndices(requests, options).ensure(this.table);
    await requests.close();
    if (unfit !== null) throw new Error(`the index could not be created (${JSON.stringify(unfit)})`);
  }

  async remove(): Promise<void> {
    await this.ask('DELETE', '?ignore_unavailable=true');
  }

  /** Documents written so far by the server's own count. Refused ones (an older version) are not in it. */
  async writes(): Promise<number> {
    const stats = (await this.ask('GET', '/_stats/indexing')) as {
      _all: { primaries: { indexing: { index_total: number } } };
    };
    return stats._all.primaries.indexing.index_total;
  }

  /**
   * Rejects unless a search sees exactly the load's last row of each key of this table, under the version of its place in
   * the log; `rows`: under any version, from a system that sends none, but with every column.
   */
  async check(load: LoadSummary, what: 'versions' | 'rows' = 'versions'): Promise<void> {
    const { tables, width = 1 } = load.shape;
    const unseen = new Map([...load.last].filter(([key]) => tableOfKey(key, tables) === this.table.name));
    await this.ask('POST', '/_refresh');
    const { count } = (await this.ask('GET', '/_count')) as { count: number };
    if (count !== unseen.size) throw new Error(`${this.table.index} holds ${count} documents, not ${unseen.size}`);
    const columns = Object.keys(widened<unknown>(what === 'rows' ? MYSQL_TYPE : COMPARED, width));
    for await (const hit of this.hits(columns)) {
      const key = Number(hit._id);
      const last = unseen.get(key);
      if (last === undefined) throw new Error(`document ${hit._id} should not be there`);
      const version = what === 'rows' ? null : versionOf(0, last.offset);
      compare(hit, wideRow(key, last.number, width), columns, version);
      unseen.delete(key);
    }
    if (unseen.size > 0) throw new Error(`${unseen.size} documents are missing`);
  }

  private async *hits(columns: readonly string[]): AsyncGenerator<Hit> {
    let after: readonly unknown[] | undefined;
    do {
      const page = (await this.ask('POST', '/_search?filter_path=hits.hits', {
        size: PAGE,
        version: true,
        _source: columns,
        sort: [{ id: 'asc' }],
        track_total_hits: false,
        ...(after === undefined ? {} : { search_after: after }),
      })) as { hits?: { hits?: readonly (Hit & { sort: readonly unknown[] })[] } };
      const hits = page.hits?.hits ?? [];
      yield* hits;
      after = hits.at(-1)?.sort;
    } while (after !== undefined);
  }

  private async ask(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.url}/${this.table.index}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}`);
    return response.json();
  }
}

interface Hit {
  readonly _id: string;
  readonly _version: number;
  readonly _source: Readonly<Record<string, string | number>>;
}

type Row = Readonly<Record<string, string>>;

/** `version`: null where any will do. */
function compare({ _id, _version, _source }: Hit, row: Row, columns: readonly string[], version: number | null): void {
  // A decimal may come as a number, without its last zero.
  const differs = columns.find((name) =>
    name.startsWith('amount') ? Number(_source[name]) !== Number(row[name]) : String(_source[name]) !== row[name],
  );
  const found = [
    ...(version === null || version === _version ? [] : [`is at version ${_version}, not ${version}`]),
    ...(differs === undefined ? [] : [`differs in ${differs}`]),
  ];
  if (found.length > 0) throw new Error(`document ${_id} ${found.join(' and ')}`);
}
