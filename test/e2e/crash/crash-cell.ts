import assert from 'node:assert/strict';
import kafkajs from 'kafkajs';
import { ElasticsearchReader } from '../../support/elasticsearch-reader.ts';
import { eventually } from '../../support/eventually.ts';
import { committedOffsets, query } from '../../support/expect-converged.ts';
import type { LoadWriter } from '../../support/load-writer.ts';
import { SluiceProcess } from '../../support/sluice-process.ts';
import { type LoadedDeployment, loadedDeployment } from '../faults/deployment.ts';
import type { SharedStack } from '../stack.ts';

export type Servers = Pick<SharedStack, 'kafka' | 'redis' | 'mariadb' | 'elasticsearch'>;

/** Bounds the wait for a process that should kill itself; more changes are written meanwhile. */
const MOST_PROMPTS = 12;
const PROMPT_MS = 2500;

/** One deployment that is to be killed at one point: topic, group, store and index of its own on shared servers. */
export class CrashCell {
  readonly point: string;
  readonly instances: 1 | 2;
  readonly deployment: LoadedDeployment;
  readonly writer: LoadWriter;
  private readonly config: Readonly<Record<string, unknown>>;
  private readonly reader: ElasticsearchReader;
  private readonly brokers: readonly string[];
  private readonly running = new Set<SluiceProcess>();

  private constructor(point: string, instances: 1 | 2, { kafka }: Servers, deployment: LoadedDeployment) {
    this.point = point;
    this.instances = instances;
    this.deployment = deployment;
    this.writer = deployment.writer;
    this.reader = new ElasticsearchReader(deployment.elasticsearch.url);
    this.brokers = kafka.brokers;
    const { index, source } = deployment.config;
    this.config = {
      ...deployment.config,
      source: { ...source, sessionTimeoutMs: 6000 },
      index: { ...index, holdMs: 200 },
      window: { ms: 300, parkAfterWindows: 2 },
    };
  }

  static async open(point: string, instances: 1 | 2, servers: Servers): Promise<CrashCell> {
    const name = `crash_${point.replace(/\W/g, '_').toLowerCase()}_${instances}`;
    const deployment = await loadedDeployment(name, servers, {
      partitions: instances,
      seed: 7,
      rows: 30,
      hotRows: 5,
      mix: { insert: 30, update: 40, delete: 20, rekey: 10 },
    });
    return new CrashCell(point, instances, servers, deployment);
  }

  /** An index like ours, but one that refuses long notes until `admitLongNotes`. */
  async createNarrowIndex(): Promise<void> {
    await this.ask('PUT', '', {
      settings: { 'index.gc_deletes': '1h', 'index.number_of_replicas': 0 },
      mappings: { properties: { note: { type: 'keyword' } } },
    });
  }

  async admitLongNotes(): Promise<void> {
    await this.ask('PUT', '/_mapping', { properties: { note: { type: 'keyword', ignore_above: 1000 } } });
  }

  async blockIndex(isBlocked: boolean): Promise<void> {
    await this.ask('PUT', '/_settings', { 'index.blocks.write': isBlocked });
  }

  /** Takes the journal away, or gives it back; the rest of the store stays. */
  async hideJournal(isHidden: boolean): Promise<void> {
    await this.sql(isHidden ? 'RENAME TABLE journal_0 TO hidden_0' : 'RENAME TABLE hidden_0 TO journal_0');
  }

  async sql<Row>(text: string): Promise<Row[]> {
    return await query<Row>(this.deployment.storeUrl, text);
  }

  /** Starts an instance that stays, and waits until it is ready. */
  async start(): Promise<SluiceProcess> {
    const started = await SluiceProcess.start(this.config);
    this.running.add(started);
    return started;
  }

  /** Starts the instance that is to kill itself at its point's Nth hit, and waits until it is ready. */
  async startArmed(hit: number): Promise<SluiceProcess> {
    const started = await SluiceProcess.start(this.config, { crashAt: `${this.point}:${hit}` });
    this.running.add(started);
    return started;
  }

  /** The same, but waits for nothing: for points that are hit while it starts. */
  async spawnArmed(): Promise<SluiceProcess> {
    const started = await SluiceProcess.spawn(this.config, { crashAt: this.point });
    this.running.add(started);
    return started;
  }

  async stop(one: SluiceProcess): Promise<void> {
    this.running.delete(one);
    assert.equal(await one.stop(), 0, one.output);
  }

  /** What those that run have logged last. */
  lastWords(): string {
    return [...this.running].map(({ output }) => output.slice(-4000)).join('\n');
  }

  /** Waits until each of the instances has partitions. */
  async bothAssigned(): Promise<void> {
    await this.withAdmin((admin) =>
      eventually('both instances have partitions', async () => {
        const { groups } = await admin.describeGroups([this.deployment.groupId]);
        const [group] = groups;
        return (
          group?.state === 'Stable' &&
          group.members.filter(({ memberAssignment: { length } }) => length > 24).length === 2
        );
      }),
    );
  }

  /** Waits until all that was written is committed, and its positions are in the store. */
  async settled(): Promise<void> {
    const { ends, topic } = this.writer;
    await eventually(`${topic} is settled`, async () => {
      assert.deepEqual(await committedOffsets(this.deployment), ends);
      const rows = await this.sql<{ settled: number }>('SELECT settled FROM stream_positions ORDER BY partition_no');
      assert.deepEqual(
        rows.map(({ settled }) => Number(settled)),
        ends,
      );
      return true;
    });
  }

  /** Waits until the process has killed itself; writes a little more now and then, for points that come with time. */
  async died(armed: SluiceProcess): Promise<void> {
    this.running.delete(armed);
    let isDead = false;
    const dead = armed.wasKilled().then((wasKilled) => {
      isDead = true;
      assert.ok(wasKilled, `it ended by itself instead:\n${armed.output.slice(-4000)}`);
    });
    for (let prompt = 0; !isDead && prompt < MOST_PROMPTS; prompt += 1) {
      const waited = eventually('', () => isDead, { withinMs: PROMPT_MS }).catch(() => undefined);
      await Promise.race([dead, waited]);
      if (!isDead) await this.writer.write(5);
    }
    assert.ok(isDead, `${this.point} was never hit:\n${armed.output.slice(-4000)}`);
    await dead;
  }

  /** Ends what runs, and leaves nothing on the shared servers but a topic. */
  async close(): Promise<void> {
    await Promise.all([...this.running].map((one) => one.kill()));
    await this.deployment.remove();
  }

  private async ask(method: string, path: string, body: object): Promise<void> {
    const { status, text } = await this.reader.request(method, `/${this.writer.index}${path}`, body);
    assert.equal(status, 200, text);
  }

  private async withAdmin<T>(work: (admin: kafkajs.Admin) => Promise<T>): Promise<T> {
    const admin = new kafkajs.Kafka({ brokers: [...this.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }
}
