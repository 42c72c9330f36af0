/** Reads Elasticsearch as a user would, over plain HTTP, without the client that sluice uses. */
export class ElasticsearchReader {
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async request(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: response.status, text: await response.text() };
  }

  private async json<T>(method: string, path: string, body?: object): Promise<T> {
    const { status, text } = await this.request(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}`);
    return JSON.parse(text) as T;
  }

  async indexes(pattern: string): Promise<string[]> {
    const answer = await this.json<Record<string, unknown>>(
      'GET',
      `/${encodeURIComponent(pattern)}/_settings?flat_settings=true`,
    );
    return Object.keys(answer).sort();
  }

  /** Version of every document that a search sees after a refresh. */
  async versions(index: string): Promise<Map<string, number>> {
    await this.json('POST', `/${encodeURIComponent(index)}/_refresh`);
    return await this.scroll(index);
  }

  private async scroll(index: string): Promise<Map<string, number>> {
    const versions = new Map<string, number>();
    const query = { size: 5000, version: true, _source: false, sort: ['_doc'] };
    let page = await this.json<Page>('POST', `/${encodeURIComponent(index)}/_search?scroll=1m`, query);
    while (page.hits.hits.length > 0) {
      for (const hit of page.hits.hits) versions.set(hit._id, hit._version);
      page = await this.json<Page>('POST', '/_search/scroll', { scroll: '1m', scroll_id: page._scroll_id });
    }
    // A server keeps 500 of them at most, for a minute each.
    await this.request('DELETE', '/_search/scroll', { scroll_id: page._scroll_id });
    return versions;
  }

  /** The text of a document as it was sent, byte for byte; null when there is none. */
  async source(index: string, id: string): Promise<string | null> {
    const { status, text } = await this.request(
      'GET',
      `/${encodeURIComponent(index)}/_source/${encodeURIComponent(id)}`,
    );
    if (status === 404) return null;
    if (status !== 200) throw new Error(`_source answered ${status}`);
    return text;
  }

  /** Every document of an index with its text: for small sets. */
  async documents(index: string): Promise<Map<string, { version: number; source: string }>> {
    const found = new Map<string, { version: number; source: string }>();
    for (const [id, version] of await this.versions(index)) {
      found.set(id, { version, source: (await this.source(index, id)) ?? '' });
    }
    return found;
  }

  /** Elasticsearch's own count of index operations on an index since it was made. */
  async indexTotal(index: string): Promise<number> {
    const stats = await this.json<{ _all: { primaries: { indexing: { index_total: number } } } }>(
      'GET',
      `/${encodeURIComponent(index)}/_stats/indexing`,
    );
    return stats._all.primaries.indexing.index_total;
  }
}

interface Page {
  readonly _scroll_id: string;
  readonly hits: { readonly hits: readonly { readonly _id: string; readonly _version: number }[] };
}
