import type { LogRecord, RecordBatch, Table } from '../pipeline/change.ts';
import type { ParsedBatch, RecordFormat } from '../pipeline/ports.ts';
import type { Tables } from '../pipeline/tables.ts';
import { type CanalRecord, problemOf, readCanalRecord } from './canal-record.ts';
import { readRows } from './canal-rows.ts';
import { CanalTemplates } from './canal-templates.ts';
import { ddlTables, type NamedTable } from './ddl-tables.ts';
import { ParsedChanges } from './parsed-changes.ts';
import { TableShape } from './table-shape.ts';

export interface CanalJsonOptions {
  readonly tables: Tables;
  /** Number of partitions that a topic had in an epoch, for key changes. Default: 1. */
  readonly partitionCount?: (topic: string, epoch: number) => number;
  /** False for a topic of several partitions that Canal does not spread by `$pk$`, but by table. Default: true. */
  readonly hashedTopic?: (topic: string) => boolean;
  /** Longer values are rejected before they are parsed. Bytes, 16 MiB by default. */
  readonly maxRecordBytes?: number;
  /** Rows of one record. 100,000 by default. */
  readonly maxRows?: number;
}

/** Types that say what became of a table as a whole. */
const TABLE_ENDS = new Map([
  ['TRUNCATE', 'truncated: its documents stay until they are removed by hand'],
  ['ERASE', 'dropped: its documents stay until they are removed by hand'],
  ['RENAME', 'renamed: its documents stay under the former index'],
]);
const DDL_TYPES = new Set(['CREATE', 'ALTER', 'CINDEX', 'DINDEX', ...TABLE_ENDS.keys()]);
const MARKERS = /^(TRANSACTIONBEGIN|TRANSACTIONEND|GTID|GTIDLOG|HEARTBEAT|MHEARTBEAT|TIDB_.*)$/;

/**
 * Reads Canal's flat JSON (`canal.mq.flatMessage=true`), one message a record, and as well as it can what Flink and TiCDC
 * write under that name. Knows the columns of each table from the rows it has seen; nothing else is remembered.
 *
 * Delivery: every row is a change, a rejection, or counted as skipped; nothing is dropped. One version a record.
 */
export function canalJson(options: CanalJsonOptions): RecordFormat {
  const parser = new CanalParser(options);
  return { parse: (batch) => parser.parse(batch) };
}

class CanalParser {
  private readonly options: CanalJsonOptions;
  private readonly maxRecordBytes: number;
  private readonly maxRows: number;
  /** As many as `tables` takes up: bounded there. */
  private readonly shapes = new Map<Table, TableShape>();
  private readonly templates: CanalTemplates;

  constructor(options: CanalJsonOptions) {
    this.options = options;
    this.maxRecordBytes = options.maxRecordBytes ?? 16 * 1024 * 1024;
    this.maxRows = options.maxRows ?? 100_000;
    this.templates = new CanalTemplates(this.maxRows);
  }

  parse(batch: RecordBatch): ParsedBatch {
    const out = new ParsedChanges(batch);
    for (const record of batch.records) {
      out.begin(record);
      try {
        this.read(batch, record, out);
        out.end();
      } catch (error) {
        // Nothing in a message may stop the stream; the name alone, since texts of errors quote values.
        out.abandon('unreadable', `reading failed with ${error instanceof Error ? error.name : 'an unknown error'}`);
      }
    }
    return out;
  }

  private read(batch: RecordBatch, { value }: LogRecord, out: ParsedChanges) {
    if (value === null) return out.skip('tombstone-record');
    if (value.length <= this.maxRecordBytes && this.templates.read(value, out)) return;
    const problem = problemOf(value, this.maxRecordBytes);
    if (problem !== null) return out.rejectRecord(problem.reason, problem.detail);
    const record = readCanalRecord(value);
    if ('reason' in record) return out.rejectRecord(record.reason, record.detail);
    switch (record.type) {
      case 'INSERT':
      case 'UPDATE':
      case 'DELETE':
        return this.readDml(batch, record, value, out);
      case 'XAROLLBACK':
        out.notice(
          'xa-rollback',
          '',
          'rows of a rolled-back XA transaction were delivered before and stay until they change',
        );
        return out.skip('xa-end');
      case 'XACOMMIT':
        return out.skip('xa-end');
      case 'QUERY':
        if (!record.isDdl) return out.skip('query-text');
        return this.readDdl(record, out);
      default:
        if (record.isDdl || DDL_TYPES.has(record.type)) return this.readDdl(record, out);
        if (MARKERS.test(record.type)) return out.skip('marker');
        return out.rejectRecord('unknown-type', 'type is none that Canal writes');
    }
  }

  private readDml(batch: RecordBatch, record: CanalRecord, value: Buffer, out: ParsedChanges) {
    const { database, table } = record;
    if (database === '' || table === '') return out.rejectRecord('no-table', 'the message names no database and table');
    const route = this.options.tables.lookup(database, table);
    if (route === null) return out.skip('unrouted');
    if ('refused' in route) return out.rejectRecord(route.refused, route.detail);
    const shape = this.shapes.get(route.table) ?? new TableShape(route);
    this.shapes.set(route.table, shape);
    const plan = readRows(record, shape, out, {
      topic: batch.topic,
      partition: batch.partition,
      maxRows: this.maxRows,
      hashedPartitions: () => this.hashedPartitions(batch),
    });
    if (plan !== null) this.templates.learn(value, record, plan, shape);
  }

  private hashedPartitions({ epoch, topic }: RecordBatch): number {
    const { hashedTopic, partitionCount } = this.options;
    return (hashedTopic?.(topic) ?? true) ? (partitionCount?.(topic, epoch) ?? 1) : 1;
  }

  private readDdl({ database, sql, table, type }: CanalRecord, out: ParsedChanges) {
    out.skip('ddl');
    if (table === '') this.forget(database, null);
    if (/^\s*drop\s+(database|schema)\b/i.test(sql)) {
      out.notice('drop-database', database, 'dropped: documents of its tables stay until they are removed by hand');
    }
    const ended = TABLE_ENDS.get(type);
    const named: readonly NamedTable[] = ended === undefined ? [] : ddlTables(sql, database, table);
    for (const { database: tableDatabase, name } of ended === undefined ? [{ database, name: table }] : named) {
      this.forget(tableDatabase, name);
      const rule = this.options.tables.ruleOf(tableDatabase, name);
      if (rule?.truncate !== 'alarm') continue;
      if (ended !== undefined) out.notice(type.toLowerCase(), `${tableDatabase}.${name}`, ended);
      else if (type === 'ALTER' && /\b(change|rename\s+column|drop)\b/i.test(sql)) {
        const detail = 'columns were renamed or dropped: rows not written since keep the former fields';
        out.notice('columns-changed', `${tableDatabase}.${name}`, detail);
      }
    }
  }

  /** Without a table all of the database; without both all: Canal could not read the statement, it may be about any table. */
  private forget(database: string, name: string | null): void {
    for (const [table, shape] of this.shapes) {
      if ((database === '' || table.database === database) && (name === null || table.name === name)) shape.forget();
    }
  }
}
