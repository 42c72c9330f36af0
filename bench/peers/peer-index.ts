import type { Table } from '../../src/pipeline/change.ts';
import { IndexUnderTest } from '../index-under-test.ts';
import type { LoadSummary } from '../load.ts';

/** What a search sees. */
export interface Seen {
  readonly documents: number;
  /** Of the column `version`. */
  readonly versionSum: number;
}

/** Peers send dates as Canal writes them. */
const DATE_FORMAT = 'yyyy-MM-dd HH:mm:ss';

/** An index with sluice's mapping of a table, but dates as peers send them, and searched while it is written. */
export class PeerIndex {
  readonly name: string;
  private readonly url: string;
  private readonly index: IndexUnderTest;

  constructor(url: string, table: Table) {
    this.name = table.index;
    this.url = url;
    this.index = new IndexUnderTest(url, { ...table, mapping: withDates(table.mapping ?? {}) });
  }

  empty(): Promise<void> {
    return this.index.empty();
  }

  async seen(): Promise<Seen> {
    const answer = (await this.ask('_search', {
      size: 0,
      track_total_hits: true,
      aggs: { versions: { sum: { field: 'version' } } },
    })) as { hits: { total: { value: number } }; aggregations: { versions: { value: number } } };
    return { documents: answer.hits.total.value, versionSum: answer.aggregations.versions.value };
  }

  writes(): Promise<number> {
    return this.index.writes();
  }

  /** Rejects unless each document is the last row of its key, in every column. */
  check(load: LoadSummary): Promise<void> {
    return this.index.check(load, 'rows');
  }

  private async ask(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.url}/${this.name}/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
    if (!response.ok) throw new Error(`POST ${path} was answered with ${response.status}`);
    return response.json();
  }
}

function withDates(mapping: Readonly<Record<string, object>>): Readonly<Record<string, object>> {
  return Object.fromEntries(
    Object.entries(mapping).map(([name, field]) => {
      const isDate = (field as { type?: string }).type === 'date';
      return [name, isDate ? { ...field, format: DATE_FORMAT } : field];
    }),
  );
}

/** What a search sees once all of a load has been written. */
export function finallySeen({ last }: LoadSummary): Seen {
  let versionSum = 0;
  for (const [, { number }] of last) versionSum += number;
  return { documents: last.size, versionSum };
}
