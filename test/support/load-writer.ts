import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Producer } from 'kafkajs';
import { canalPartition } from '../../src/formats/canal-partition.ts';
import { patchKafkajs } from '../../src/sources/kafkajs-patches.ts';
import { canalMessage, ORDERS, orderRow, type TestTable } from './canal-message.ts';
import { eventually } from './eventually.ts';

type Row = ReturnType<typeof orderRow>;

/** Shares of each kind of record; their sum is of no importance. */
export interface Mix {
  readonly insert: number;
  readonly update: number;
  readonly delete: number;
  /** Updates that change the key to a new one of the same partition. */
  readonly rekey: number;
}

const DEFAULT_MIX: Mix = { insert: 20, update: 68, delete: 8, rekey: 4 };

export interface LoadOptions {
  readonly brokers: readonly string[];
  /** Made here; nobody else may write to it. */
  readonly topic: string;
  /** Also names the index, `<database>_orders`. */
  readonly database: string;
  /** Default 1. */
  readonly partitions?: number;
  /** The same seed, mixes and counts write the same records. Default 1. */
  readonly seed?: number;
  /** Rows alive at a time, once so many were inserted. Default 2000. */
  readonly rows?: number;
  /** Rows that four of five updates go to. Default 20. */
  readonly hotRows?: number;
  /** Bytes of text a row. Default 40. */
  readonly noteBytes?: number;
  /** Records a second while it runs. Default 500. */
  readonly perSecond?: number;
  readonly mix?: Mix;
}

/** One change as the journal should hold it; a record of several rows, or of a new key, is several. */
export interface WrittenChange {
  readonly partition: number;
  readonly offset: number;
  readonly ordinal: number;
  readonly key: string;
  readonly op: 'upsert' | 'delete';
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE';
  /** JSON text of the row after the change; of the row before it for a delete. */
  readonly document: string;
}

/** What a key should end as: its version in the index, and its document or null when the row is gone. */
export interface ExpectedState {
  readonly version: number;
  readonly partition: number;
  readonly document: string | null;
}

interface Made {
  readonly partition: number;
  readonly value: string;
}

const TICK_MS = 50;
const MOST_ROWS = 3;

/**
 * Writes Canal's messages about one table to a real topic, as Canal does with `$pk$` hashing: inserts, updates (most of
 * them of a few hot rows), deletes, key changes, records of several rows. Knows everything it wrote: offsets are known
 * before they are sent, because it writes alone, and checked when the broker answers.
 */
export class LoadWriter {
  readonly topic: string;
  readonly brokers: readonly string[];
  readonly index: string;
  /** Every change, in the order written. */
  readonly changes: WrittenChange[] = [];
  /** What each key that ever was should end as. */
  readonly expected = new Map<string, ExpectedState>();
  /** Offset after the last record, by partition. */
  readonly ends: number[];
  /** May be changed while it runs. */
  perSecond: number;
  mix: Mix;
  private readonly options: LoadOptions;
  private readonly table: TestTable;
  private readonly producer: Producer;
  private readonly random: () => number;
  private readonly rows = new Map<number, Row>();
  private readonly ids: number[] = [];
  private nextId = 1;
  private rowVersion = 0;
  private running: Promise<void> | null = null;
  private isStopping = false;

  private constructor(options: LoadOptions, producer: Producer) {
    const { brokers, database, mix = DEFAULT_MIX, partitions = 1, perSecond = 500, seed = 1, topic } = options;
    this.options = options;
    this.producer = producer;
    this.topic = topic;
    this.brokers = brokers;
    this.table = { ...ORDERS, database };
    this.index = `${database}_${ORDERS.table}`;
    this.ends = Array.from({ length: partitions }, () => 0);
    this.perSecond = perSecond;
    this.mix = mix;
    this.random = seededRandom(seed);
  }

  /** Makes the topic and connects. */
  static async open(options: LoadOptions): Promise<LoadWriter> {
    patchKafkajs();
    const kafka = new kafkajs.Kafka({ brokers: [...options.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    const topics = [{ topic: options.topic, numPartitions: options.partitions ?? 1 }];
    await atLength('the topic is there', () => admin.createTopics({ topics, waitForLeaders: true }));
    await admin.disconnect();
    // Idempotent: a broker that was frozen may have taken what is sent again, and offsets would not be the ones known.
    const producer = kafka.producer({ allowAutoTopicCreation: false, idempotent: true, maxInFlightRequests: 1 });
    await atLength('the producer has its id', () => producer.connect());
    return new LoadWriter(options, producer);
  }

  /** Begins to write `perSecond` records a second, until `stop`. */
  start(): void {
    assert.equal(this.running, null, 'the load runs already');
    this.isStopping = false;
    this.running = this.run();
    this.running.catch(() => undefined); // told by stop
  }

  /** Ends writing; rejects when a write failed since `start`. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
    this.running = null;
  }

  async close(): Promise<void> {
    await this.stop().catch(() => undefined);
    await this.producer.disconnect();
  }

  /** Writes so many records at once. Not while the load runs. */
  async write(count: number): Promise<void> {
    assert.equal(this.running, null, 'the load runs');
    await this.send(count);
  }

  /** Updates one row that is there, to a note of so many bytes. Not while the load runs. */
  async writeNote(id: number, noteBytes: number): Promise<void> {
    assert.equal(this.running, null, 'the load runs');
    const before = this.rows.get(id);
    assert.ok(before, `row ${id} is there`);
    this.rowVersion += 1;
    const row = orderRow(id, this.rowVersion, noteBytes);
    const partition = this.partitionOf(id);
    const end = this.ends[partition];
    this.record(partition, (write) => write(row, 'upsert', 'UPDATE'));
    const value = canalMessage(this.table, 'UPDATE', [row], [changedColumns(row, before)]);
    const [answer] = await this.producer.send({ topic: this.topic, messages: [{ partition, value }] });
    assert.equal(Number(answer?.baseOffset), end, `offset of partition ${partition} of ${this.topic}`);
  }

  /** Keys of the rows that are there. */
  get alive(): readonly number[] {
    return this.ids;
  }

  private async run(): Promise<void> {
    let due = 0;
    let last = performance.now();
    while (!this.isStopping) {
      await delay(TICK_MS); // the pace of the load, not a wait for anything
      const now = performance.now();
      due = Math.min(due + ((now - last) / 1000) * this.perSecond, this.perSecond);
      last = now;
      const count = Math.floor(due);
      due -= count;
      if (count > 0) await this.send(count);
    }
  }

  private async send(count: number): Promise<void> {
    const before = [...this.ends];
    const messages = Array.from({ length: count }, () => this.next());
    const answers = await this.producer.send({ topic: this.topic, messages });
    for (const { partition, baseOffset } of answers) {
      // Another number means that records were written twice, or by somebody else.
      assert.equal(Number(baseOffset), before[partition], `offset of partition ${partition} of ${this.topic}`);
    }
    const sent = new Set(messages.map(({ partition }) => partition));
    assert.equal(answers.length, sent.size, `the broker took every partition of ${this.topic}`);
  }

  private next(): Made {
    const { rows: target = 2000 } = this.options;
    const { mix } = this;
    if (this.ids.length === 0) return this.insert();
    const grow = this.ids.length < target ? mix.insert : 0;
    let at = this.random() * (grow + mix.update + mix.delete + mix.rekey);
    at -= grow;
    if (at < 0) return this.insert();
    at -= mix.delete;
    if (at < 0) return this.delete();
    at -= mix.rekey;
    return at < 0 ? this.rekey() : this.update();
  }

  private insert(): Made {
    // A row that comes back, now and then: its delete and its insert must not change places.
    const gone = this.random() < 0.2 ? this.pickGone() : null;
    const first = gone ?? this.newId(null);
    const partition = this.partitionOf(first);
    const ids = [first, ...Array.from({ length: this.extraRows() }, () => this.newId(partition))];
    const data = ids.map((id) => this.nextRow(id));
    this.record(partition, (write) => {
      for (const row of data) write(row, 'upsert', 'INSERT');
    });
    return { partition, value: canalMessage(this.table, 'INSERT', data) };
  }

  private update(): Made {
    const first = this.pick();
    const partition = this.partitionOf(first);
    const ids = new Set([first]);
    for (let extra = this.extraRows(); extra > 0; extra -= 1) {
      const id = this.pick();
      if (this.partitionOf(id) === partition) ids.add(id);
    }
    const before = [...ids].map((id) => this.rows.get(id) as Row);
    const data = [...ids].map((id) => this.nextRow(id));
    this.record(partition, (write) => {
      for (const row of data) write(row, 'upsert', 'UPDATE');
    });
    const old = data.map((row, i) => changedColumns(row, before[i] as Row));
    return { partition, value: canalMessage(this.table, 'UPDATE', data, old) };
  }

  private delete(): Made {
    const id = this.pick();
    const row = this.rows.get(id) as Row;
    const partition = this.partitionOf(id);
    this.record(partition, (write) => write(row, 'delete', 'DELETE'));
    return { partition, value: canalMessage(this.table, 'DELETE', [row]) };
  }

  private rekey(): Made {
    const former = this.pick();
    const before = this.rows.get(former) as Row;
    const partition = this.partitionOf(former);
    const row = this.nextRow(this.newId(partition));
    this.record(partition, (write) => {
      write(before, 'delete', 'UPDATE');
      write(row, 'upsert', 'UPDATE');
    });
    return { partition, value: canalMessage(this.table, 'UPDATE', [row], [changedColumns(row, before)]) };
  }

  /** Takes note of the next record of a partition and of its changes, in order. */
  private record(
    partition: number,
    rowsOf: (write: (row: Row, op: WrittenChange['op'], operation: WrittenChange['operation']) => void) => void,
  ): void {
    const offset = this.ends[partition] as number;
    this.ends[partition] = offset + 1;
    let ordinal = 0;
    rowsOf((row, op, operation) => {
      const key = row.id as string;
      const document = documentOf(row);
      this.changes.push({ partition, offset, ordinal, key, op, operation, document });
      this.expected.set(key, { version: offset + 1, partition, document: op === 'delete' ? null : document });
      this.keep(Number(key), op === 'delete' ? null : row);
      ordinal += 1;
    });
  }

  private keep(id: number, row: Row | null): void {
    if (row !== null) {
      if (!this.rows.has(id)) this.ids.push(id);
      this.rows.set(id, row);
      return;
    }
    this.rows.delete(id);
    const last = this.ids.pop() as number;
    if (last !== id) this.ids[this.ids.indexOf(id)] = last;
  }

  private nextRow(id: number): Row {
    this.rowVersion += 1;
    return orderRow(id, this.rowVersion, this.options.noteBytes);
  }

  /** A row that is there: mostly a hot one. */
  private pick(): number {
    const { hotRows = 20 } = this.options;
    const among = this.random() < 0.8 ? Math.min(hotRows, this.ids.length) : this.ids.length;
    return this.ids[Math.floor(this.random() * among)] as number;
  }

  /** A key whose row is gone; null when the one that was tried is there. */
  private pickGone(): number | null {
    if (this.nextId === 1) return null;
    const id = 1 + Math.floor(this.random() * (this.nextId - 1));
    return this.rows.has(id) || !this.expected.has(String(id)) ? null : id;
  }

  private extraRows(): number {
    return this.random() < 0.05 ? 1 + Math.floor(this.random() * (MOST_ROWS - 1)) : 0;
  }

  /** A key that never was; of a partition, when one is given. */
  private newId(partition: number | null): number {
    for (;;) {
      const id = this.nextId;
      this.nextId += 1;
      if (partition === null || this.partitionOf(id) === partition) return id;
    }
  }

  private partitionOf(id: number): number {
    const { database, pkNames } = this.table;
    return canalPartition(database, pkNames, { id: String(id) }, null, this.ends.length);
  }
}

/** A broker that has just started refuses leaders and producer ids for a while, and kafkajs does not ask again. */
async function atLength(what: string, call: () => Promise<unknown>): Promise<void> {
  await eventually(what, async () => {
    await call();
    return true;
  });
}

/** The document that the row should become: numbers bare, text quoted. */
function documentOf({ id, note, status, version }: Row): string {
  return `{"id":${id},"version":${version},"status":${status},"note":${JSON.stringify(note)}}`;
}

/** Former values of the columns that an update changed, as Canal writes `old`. */
function changedColumns(row: Row, before: Row): Row {
  return Object.fromEntries(Object.entries(before).filter(([column, value]) => row[column] !== value));
}

/** Numbers from 0 to below 1, the same for the same seed (xorshift of 32 bits). */
function seededRandom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
