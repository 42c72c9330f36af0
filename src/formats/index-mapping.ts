import { kindOf } from './column-codec.ts';
import type { ColumnType } from './mysql-types.ts';

/** Lucene refuses terms above 32,766 bytes; a character takes at most four of them. */
const MAX_KEYWORD_CHARACTERS = 8191;
const KEYWORD = { type: 'keyword', ignore_above: MAX_KEYWORD_CHARACTERS };
const DATE = { type: 'date', format: 'strict_date_optional_time_nanos' };

/** Returns the Elasticsearch property that takes every value the codec of such a column writes. */
export function indexMapping(
  type: ColumnType,
  options: { readonly decimals: 'string' | 'number'; readonly booleans: 'number' | 'boolean' },
): object {
  const width = type.args[0];
  switch (kindOf(type)) {
    case 'integer':
      if (type.base === 'tinyint' && width === 1 && options.booleans === 'boolean') return { type: 'boolean' };
      return { type: type.base === 'bigint' && type.unsigned ? 'unsigned_long' : 'long' };
    case 'decimal':
      return options.decimals === 'number' ? { type: 'double' } : { type: 'keyword' };
    case 'float':
    case 'double':
      return { type: type.base };
    case 'bit':
      if ((width ?? 1) === 1) return { type: 'boolean' };
      return { type: (width ?? 1) > 63 ? 'unsigned_long' : 'long' };
    case 'date':
    case 'datetime':
    case 'timestamp':
      return DATE;
    case 'year':
      return { type: 'short' };
    case 'time':
    case 'enum':
    case 'set':
      return KEYWORD;
    case 'text':
      if (type.base === 'char' || type.base === 'varchar') return { type: 'text', fields: { keyword: KEYWORD } };
      return { type: 'text' };
    case 'json':
      return { type: 'object', enabled: false };
    case 'binary':
    case 'blob':
    case 'geometry':
      return { type: 'binary' };
    default:
      return KEYWORD;
  }
}
