import { catchError, from, map, type ObservableInput, of } from 'rxjs';
import type { Asked, IndexSink } from '../../src/pipeline/ports.ts';
import { bulkBody } from '../../src/sinks/elasticsearch-bulk-body.ts';
import { bulkOutcomes } from '../../src/sinks/elasticsearch-outcomes.ts';
import type { Answer } from '../../src/sinks/elasticsearch-requests.ts';
import type { ElasticsearchModel } from './elasticsearch-model.ts';

export type IndexTransport = <T>(what: string, apply: () => T) => ObservableInput<T>;

/** What the pipeline asks of the index: real request bodies and the real reading of answers, with the model between. */
export function indexPort(
  model: ElasticsearchModel,
  take: IndexTransport,
): Asked<Pick<IndexSink, 'write' | 'versions' | 'incarnation' | 'ping'>> {
  return {
    write(writes) {
      const [first] = writes;
      if (first === undefined) return of([]);
      const body = bulkBody(writes).toString();
      const areDeletes = writes.map(({ document }) => document === null);
      return from(take('bulk', () => model.bulk(first.table.index, body))).pipe(
        catchError(() => of<Answer>({ kind: 'none', errorType: 'timeout' })),
        map((answer) => bulkOutcomes(answer, areDeletes)),
      );
    },
    versions: (table, keys) => take('versions', () => model.versions(table.index, keys)),
    incarnation: () => take('incarnation', () => model.incarnation()),
    ping: () => take('ping', () => undefined),
  };
}
