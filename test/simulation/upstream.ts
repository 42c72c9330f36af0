import { canalPartition } from '../../src/formats/canal-partition.ts';
import type { VirtualClock } from './clock.ts';
import type { KafkaModel } from './kafka-model.ts';
import type { Random } from './random.ts';
import type { Asked, Truth } from './truth.ts';

/** How Canal spreads rows: a topic for each table, one topic by primary key, or one topic by table. */
export type Routing = 'topic-per-table' | 'by-key' | 'by-table';

export interface UpstreamOptions {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly kafka: KafkaModel;
  readonly truth: Truth;
  readonly routing: Routing;
  readonly tables: readonly string[];
  readonly keys: readonly string[];
  readonly partitions: number;
  /** Share of records that cannot be applied. */
  readonly poison: number;
}

interface Row {
  readonly id: string;
  readonly v: string;
  readonly s: string;
}

/** One thing that happened to a row: what it was before (null: nothing) and after. */
interface RowEvent {
  readonly before: Row | null;
  readonly after: Row | null;
}

interface Message {
  readonly table: string;
  readonly type: 'INSERT' | 'UPDATE' | 'DELETE';
  readonly events: readonly RowEvent[];
}

/** A key that only ever holds what the index refuses, so that no other key depends on what it refuses. */
const POISON_KEY = 'p';

/** MySQL and Canal: changes rows, and writes what changed to the log as flat JSON; knows what it has written. */
export class Upstream {
  /** Partitions Canal believes the topic to have. */
  partitions: number;
  /** Where a table's rows go instead, when somebody has edited the routing. */
  readonly detours = new Map<string, string>();
  readonly sent: Message[] = [];
  /** Place in `sent` of the first message that took a detour. */
  strayFrom = Number.POSITIVE_INFINITY;
  private readonly options: UpstreamOptions;
  private readonly rows = new Map<string, Map<string, Row>>();
  private lastValue = 0;
  private lastMessage = 0;

  constructor(options: UpstreamOptions) {
    this.options = options;
    this.partitions = options.partitions;
    for (const table of options.tables) this.rows.set(table, new Map());
  }

  topicOf(table: string): string {
    return this.detours.get(table) ?? (this.options.routing === 'topic-per-table' ? table : 'shop');
  }

  /** One transaction of one table: a message, or one for each partition. */
  write(): void {
    const { poison, random, tables } = this.options;
    const table = random.pick(tables);
    if (random.chance(poison)) {
      this.writeOddity(table);
      return;
    }
    const message = this.change(table);
    this.sent.push(message);
    this.send(message);
  }

  /** A change that anybody can apply, of a key of its own. */
  writeGood(table: string): void {
    const after = this.newRow('z', '');
    const before = this.rows.get(table)?.get('z') ?? null;
    this.rows.get(table)?.set('z', after);
    const message: Message = { table, type: before === null ? 'INSERT' : 'UPDATE', events: [{ before, after }] };
    this.sent.push(message);
    this.send(message);
  }

  /** Sends the last messages again, as Canal does when it was not told that they arrived. */
  rewind(messages: number, only: string | null = null): void {
    if (messages === 0) return;
    const again = this.sent.slice(-messages).filter(({ table }) => only === null || table === only);
    for (const message of again) this.send(message);
  }

  private change(table: string): Message {
    const { random } = this.options;
    const rows = this.rows.get(table) as Map<string, Row>;
    const events: RowEvent[] = [];
    const there = [...rows.keys()];
    const free = this.options.keys.filter((key) => !rows.has(key));
    const dice = random.next();
    const count = random.chance(0.25) ? random.between(2, 4) : 1;
    if (there.length === 0 || (free.length > 0 && dice < 0.25)) {
      for (let i = 0; i < count && free.length > 0; i += 1) {
        const [key] = free.splice(random.int(free.length), 1);
        const after = this.newRow(key as string, '');
        rows.set(after.id, after);
        events.push({ before: null, after });
      }
      return { table, type: 'INSERT', events };
    }
    if (dice < 0.5) {
      for (let i = 0; i < count && rows.size > 0; i += 1) {
        const before = rows.get(random.pick([...rows.keys()])) as Row;
        rows.delete(before.id);
        events.push({ before, after: null });
      }
      return { table, type: 'DELETE', events };
    }
    for (let i = 0; i < count; i += 1) {
      // The first key is hot.
      const keys = [...rows.keys()];
      const before = rows.get(random.chance(0.4) ? (keys[0] as string) : random.pick(keys)) as Row;
      const left = this.options.keys.filter((key) => !rows.has(key));
      const isKeyChange = random.chance(0.2) && left.length > 0;
      const after = this.newRow(isKeyChange ? random.pick(left) : before.id, '');
      rows.delete(before.id);
      rows.set(after.id, after);
      events.push({ before, after });
    }
    return { table, type: 'UPDATE', events };
  }

  /** What cannot be applied, or asks for nothing. */
  private writeOddity(table: string): void {
    const { random } = this.options;
    const kind = random.pick(['not-json', 'value', 'mapping', 'whole', 'nothing', 'control'] as const);
    if (kind === 'value' || kind === 'mapping' || kind === 'whole') {
      const rows = this.rows.get(table) as Map<string, Row>;
      const id = kind === 'value' ? random.pick(this.options.keys) : POISON_KEY;
      const before = rows.get(id) ?? null;
      const after =
        kind === 'value'
          ? { ...this.newRow(id, ''), v: 'no number' }
          : this.newRow(id, kind === 'whole' ? 'whole' : random.chance(0.7) ? 'poison' : '');
      rows.set(id, after);
      const message: Message = { table, type: before === null ? 'INSERT' : 'UPDATE', events: [{ before, after }] };
      this.sent.push(message);
      this.send(message);
      return;
    }
    const { clock, kafka } = this.options;
    const partition = kafka.partition(this.topicOf(table), 0);
    if (kind === 'not-json') partition?.append(clock.nowMs, Buffer.from(`not json ${random.int(1000)}`));
    else if (kind === 'control') partition?.append(clock.nowMs, null, true);
    else partition?.append(clock.nowMs, Buffer.from(`{"type":"QUERY","isDdl":false,"n":${random.int(1000)}}`));
  }

  private newRow(id: string, s: string): Row {
    this.lastValue += 1;
    return { id, v: String(this.lastValue), s };
  }

  private send(message: Message): void {
    const { table, type, events } = message;
    if (this.detours.has(table)) this.strayFrom = Math.min(this.strayFrom, this.sent.indexOf(message));
    const groups = new Map<number, RowEvent[]>();
    for (const event of events) {
      const partition = this.partitionOf(table, (event.after ?? event.before) as Row);
      const group = groups.get(partition);
      if (group === undefined) groups.set(partition, [event]);
      else group.push(event);
    }
    for (const [partition, group] of groups) this.append(table, type, partition, group);
  }

  private append(table: string, type: Message['type'], partition: number, events: readonly RowEvent[]): void {
    const { clock, kafka, truth } = this.options;
    const topic = this.topicOf(table);
    this.lastMessage += 1;
    const value = Buffer.from(
      JSON.stringify({
        data: events.map(({ after, before }) => after ?? before),
        database: 'shop',
        es: 0,
        id: this.lastMessage,
        isDdl: false,
        mysqlType: { id: 'varchar(9)', v: 'int', s: 'varchar(9)' },
        old: type === 'UPDATE' ? events.map(oldOf) : null,
        pkNames: ['id'],
        sql: '',
        sqlType: { id: 12, v: 4, s: 12 },
        table,
        ts: clock.nowMs,
        type,
      }),
    );
    const log = kafka.partition(topic, partition);
    if (log === null) throw new Error(`${topic} has no partition ${partition}`);
    truth.note(
      topic,
      partition,
      log.high,
      events.flatMap((event) => this.asked(table, partition, event)),
    );
    log.append(clock.nowMs, value);
  }

  private asked(table: string, partition: number, { after, before }: RowEvent): Asked[] {
    if (after === null) return [{ table, key: (before as Row).id, kind: 'delete', document: '' }];
    const { id, s, v } = after;
    const document = `{"id":${JSON.stringify(id)},"v":${v},"s":${JSON.stringify(s)}}`;
    const kind = v === 'no number' ? 'bad' : s === 'poison' || s === 'whole' ? 'poison' : 'upsert';
    const upsert: Asked = { table, key: id, kind, document };
    if (before === null || before.id === id) return [upsert];
    const isOrdered = this.partitionOf(table, before) === partition;
    return [{ table, key: before.id, kind: isOrdered ? 'delete' : 'unordered', document: '' }, upsert];
  }

  private partitionOf(table: string, row: Row): number {
    const { routing, tables } = this.options;
    if (routing === 'by-key') return canalPartition('shop', ['id'], { ...row }, null, this.partitions);
    return routing === 'by-table' ? tables.indexOf(table) % this.partitions : 0;
  }
}

/** Former values of the columns that changed, as Canal gives them. */
function oldOf({ after, before }: RowEvent): Record<string, string> | null {
  if (after === null || before === null) return null;
  const old: Record<string, string> = {};
  for (const name of ['id', 'v', 's'] as const) if (before[name] !== after[name]) old[name] = before[name];
  return old;
}
