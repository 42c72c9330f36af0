import type { IndexSink } from '../../src/pipeline/ports.ts';
import { testIndexSinkConformance } from '../conformance/index-sink.ts';
import { ElasticsearchModel } from './elasticsearch-model.ts';
import { indexPort } from './index-port.ts';

testIndexSinkConformance('model of the simulation', async () => {
  const model = new ElasticsearchModel({ now: () => Date.now(), random: Math.random, gcDeletesMs: 60_000 });
  const port = indexPort(model, async (_, apply) => apply());
  const sink = { name: 'model', close: async () => undefined, ...port } as unknown as IndexSink;
  return { sink, documents: async (index) => model.documents(index), close: async () => undefined };
});
