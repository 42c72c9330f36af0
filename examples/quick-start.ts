import { merge } from 'rxjs';
import { eachValueFrom } from 'rxjs-for-await';
import {
  backUp,
  bulkIndex,
  closeParts,
  connect,
  filterChanges,
  latestPerKey,
  loadConfig,
  parseChanges,
  pipelineOf,
  settle,
  syncOptions,
  upsertBuffer,
} from '../src/index.ts';

const config = loadConfig({ environment: process.env });
const parts = connect(config);
const orders = filterChanges(({ table }) => table.name.startsWith('order'));
const pipeline = pipelineOf(parts, syncOptions(config), {
  compose: ({ records, recovered }, stages) =>
    merge(
      recovered.pipe(upsertBuffer(stages.buffer)),
      records.pipe(parseChanges(stages.parse), orders, upsertBuffer(stages.buffer), backUp(stages.journal)),
    ).pipe(latestPerKey(stages.window), bulkIndex(stages.index), settle(stages.settle)),
});
await parts.store.open();
for await (const { delivered, table } of eachValueFrom(pipeline)) console.log(table.qualified, delivered.length);
await parts.source.commit();
await closeParts(parts);
