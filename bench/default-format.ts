import { canalJson } from '../src/formats/canal-json.ts';
import type { RecordFormat, TableLookup } from '../src/pipeline/ports.ts';
import { type Tables, tables } from '../src/pipeline/tables.ts';

/** Routing and format with every default, as a service without `tables` in its configuration has them. */
export function defaultFormat(partitions: number): { format: RecordFormat; lookup: TableLookup; routes: Tables } {
  const routes = tables();
  const lookup: TableLookup = (database, name) => {
    const found = routes.lookup(database, name);
    return found !== null && 'table' in found ? found.table : null;
  };
  return { format: canalJson({ tables: routes, partitionCount: () => partitions }), lookup, routes };
}
