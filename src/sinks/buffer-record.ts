import { type Change, checksumOf } from '../pipeline/change.ts';
import { textOf } from '../pipeline/json-document.ts';
import type { BufferRecord } from '../pipeline/ports.ts';

/** What the buffer shows of a change: the fields of the request, and the version. */
export function bufferRecordOf(change: Change): BufferRecord {
  return {
    primaryKey: change.key,
    tableName: change.table.qualified,
    operation: change.operation,
    data: textOf(change.document),
    timestamp: change.timestampMs,
    checksum: checksumOf(change.document),
    version: change.version,
  };
}
