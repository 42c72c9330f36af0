import type { SourceEvent } from '../sources/source-event.ts';
import type { LogLine } from './condition-log.ts';
import type { DependencyChange } from './dependencies.ts';
import type { ErrorCode } from './errors.ts';
import type { PipelineEvent } from './events.ts';

/** The log line of an event that an operator should hear of; null for what only counts. Holds no row data. */
export function lineOfEvent(event: PipelineEvent): LogLine | null {
  switch (event.type) {
    case 'notice': {
      const { detail, kind, offset, partition, table, topic } = event;
      const fields = { component: 'parse', notice: kind, table, topic, partition, offset };
      return { level: 'warn', kind: `notice ${kind} ${table}`, fields, message: `${kind}: ${detail}` };
    }
    case 'held': {
      const table = event.table?.qualified ?? 'all';
      return {
        level: 'error',
        kind: `held ${table} ${event.errorType}`,
        fields: { component: 'index', code: codeOfHold(event.errorType), table, err: { type: event.errorType } },
        message: `${event.table === null ? 'every index' : `the index of ${table}`} takes nothing (${event.errorType}); its rows wait, then are parked`,
      };
    }
    case 'retrying': {
      const { attempt, errorType, keys, table } = event;
      return {
        level: 'warn',
        kind: `retrying ${table.qualified} ${errorType}`,
        fields: {
          component: 'index',
          code: 'E3001',
          table: table.qualified,
          count: keys,
          attempt,
          err: { type: errorType },
        },
        message: `documents of ${table.qualified} are sent again (${errorType})`,
      };
    }
    case 'isolated': {
      const { errorType, keys, table } = event;
      return {
        level: 'error',
        kind: `isolated ${table.qualified} ${errorType}`,
        fields: { component: 'index', code: 'E3001', table: table.qualified, count: keys, err: { type: errorType } },
        message: `a document of ${table.qualified} makes every request fail that it is in (${errorType}); it is sent alone, then parked`,
      };
    }
    case 'parked':
      return {
        level: 'warn',
        kind: 'parked',
        fields: { component: 'window', count: event.keys },
        message: 'rows that the index did not take are parked in the store; they are sent again from there',
      };
    case 'recovered': {
      const { keys, left, partition, topic } = event;
      const fields = { component: 'recovery', topic, partition, count: keys, ...(left === null ? {} : { left }) };
      return { level: 'info', kind: `recovered ${topic}/${partition}`, fields, message: 'parked rows are sent again' };
    }
    case 'dead-lettered': {
      const { count, reason, table } = event;
      return {
        level: 'error',
        kind: `dead-lettered ${reason} ${table}`,
        fields: { component: 'settle', table, reason, count },
        message: `changes became dead letters (${reason}); see sluice dead-letters list`,
      };
    }
    case 'journal-gap': {
      const { from, partition, to, topic } = event;
      return {
        level: 'error',
        kind: `journal-gap ${topic}/${partition}`,
        fields: { component: 'journal', code: 'E4001', topic, partition, from, to },
        message: 'the journal was away: these records are not in it; the index has them',
      };
    }
    case 'deletes-checked': {
      const { partition, repeated, topic } = event;
      if (repeated === 0) return null;
      const fields = { component: 'upkeep', topic, partition, count: repeated };
      return {
        level: 'warn',
        kind: 'deletes-repeated',
        fields,
        message: 'the index had forgotten deletes; they were sent again',
      };
    }
    default:
      return null;
  }
}

/** Not every hold is the index's doing: the registry may refuse the table, or not be there to be asked. */
function codeOfHold(errorType: string): ErrorCode {
  if (errorType.startsWith('paired-with-')) return 'E4003';
  return errorType === 'pairing-unknown' ? 'E4001' : 'E3002';
}

const PLACES = { kafka: 'Kafka', buffer: 'the buffer', store: 'the store', index: 'the index' };

export function lineOfDependency(change: DependencyChange): LogLine {
  const { beforeMs, code, detail, isUp, name } = change;
  const fields = { component: name };
  if (isUp) {
    const message = `${PLACES[name]} answers`;
    return { level: 'info', kind: `up ${name}`, fields: { ...fields, duration_s: beforeMs / 1000 }, message };
  }
  const message = `${PLACES[name]} does not answer or is unfit${detail === '' ? '' : `: ${detail}`}`;
  return { level: 'warn', kind: `down ${name}`, fields: { ...fields, code }, message };
}

export function lineOfSource(event: SourceEvent): LogLine | null {
  const component = 'source';
  switch (event.type) {
    case 'registered': {
      const { partitions, topic } = event;
      const message = 'a topic was seen for the first time and is registered';
      return { level: 'info', kind: `registered ${topic}`, fields: { component, topic, partitions }, message };
    }
    case 'assigned': {
      const fields = { component, generation: event.generation, partitions: event.partitions.length };
      return { level: 'info', kind: `assigned ${event.generation}`, fields, message: 'partitions are assigned' };
    }
    case 'paused': {
      if (!event.isPaused) return null;
      const fields = { component, in_flight_bytes: event.bytes, in_flight_changes: event.changes };
      return { level: 'info', kind: 'paused', fields, message: 'reading waits: the in-flight limit is reached' };
    }
    case 'commit-failed':
      return {
        level: 'warn',
        kind: 'commit-failed',
        fields: { component, code: 'E2001' },
        message: `positions could not be committed, the next commit repeats them: ${event.detail}`,
      };
    case 'crashed':
      return {
        level: event.isRestarting ? 'warn' : 'error',
        kind: `crashed ${event.isRestarting}`,
        fields: { component, code: 'E2001' },
        message: `the consumer broke down${event.isRestarting ? ' and starts again' : ''}: ${event.detail}`,
      };
    case 'warning':
      return { level: 'warn', kind: `warning ${event.detail}`, fields: { component }, message: event.detail };
    default:
      return null;
  }
}
