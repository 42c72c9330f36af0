import { ReplaySubject, Subject, type Subscription } from 'rxjs';
import { type Change, type RecordBatch, recordsSize, type Table } from '../../src/pipeline/change.ts';
import type { PipelineEvent } from '../../src/pipeline/events.ts';
import type { Assignment, IndexWrite, Outcome, RecordFormat, Store } from '../../src/pipeline/ports.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { pipelineOf } from '../../src/pipeline/run-service.ts';
import { DEFAULT_OPTIONS } from '../../src/pipeline/stages.ts';
import { memoryBuffer } from '../../src/sinks/memory-buffer.ts';
import { changeAt } from '../conformance/store-samples.ts';
import { SteadyClock } from './steady-clock.ts';

const DONE: Outcome = { kind: 'done', conflict: false };

/** The whole pipeline over one partition of a topic, in virtual time, from records to an index that takes everything. */
export class RunningStream {
  readonly clock: SteadyClock;
  readonly log: PartitionLog;
  readonly events: PipelineEvent[] = [];
  /** What the index holds, as `index key@version`. */
  readonly indexed = new Set<string>();
  error: unknown = null;
  private readonly topic: string;
  private readonly inFlight = new InFlight({ bytes: 1 << 27, changes: 1 << 20 });
  private readonly records = new Subject<RecordBatch>();
  private readonly written = new Map<number, Change>();
  private readonly subscription: Subscription;

  constructor(store: Store, { clock = new SteadyClock(), topic = 'shop' } = {}) {
    this.clock = clock;
    this.topic = topic;
    this.log = new PartitionLog(topic, 0, 0, this.inFlight);
    const assignments = new ReplaySubject<Assignment>(1);
    assignments.next({ generation: 1, partitions: [this.log] });
    const index = {
      write: async (writes: readonly IndexWrite[]): Promise<readonly Outcome[]> => {
        for (const { key, table, version } of writes) this.indexed.add(`${table.index} ${key}@${version}`);
        return writes.map(() => DONE);
      },
      versions: async (_: Table, keys: readonly string[]) => keys.map(() => null),
      incarnation: async () => 'only one',
      ping: async () => undefined,
    };
    const format: RecordFormat = {
      parse: ({ records }) => {
        const changes = records.flatMap(({ offset }) => this.written.get(offset) ?? []);
        return { changes, rejected: [], skipped: new Map(), notices: [] };
      },
    };
    const { inFlight, records } = this;
    const parts = { source: { records, assignments }, format, store, index, inFlight, scheduler: clock };
    const report = (event: PipelineEvent): void => void this.events.push(event);
    const buffer = memoryBuffer({ scheduler: clock });
    this.subscription = pipelineOf({ ...parts, buffer, report }, DEFAULT_OPTIONS).subscribe({
      error: (error) => {
        this.error = error;
      },
    });
  }

  /** The next record of the log, which holds a change of this row. */
  write(table: Table, key: string): Change {
    const offset = this.log.read;
    const change = changeAt(table, key, offset);
    this.written.set(offset, change);
    const records = [{ offset, timestampMs: this.clock.now(), key: null, value: Buffer.from(key) }];
    this.inFlight.add(recordsSize(records), 1);
    const ticket = this.log.admit(offset, offset + 1, { offset, timestampMs: this.clock.now(), hash: '' });
    this.records.next({ topic: this.topic, partition: 0, epoch: 0, records, ticket });
    return change;
  }

  stop(): void {
    this.subscription.unsubscribe();
  }
}
