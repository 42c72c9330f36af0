import type { RecordFormat, TableLookup } from '../../src/pipeline/ports.ts';
import { eventually } from '../../test/support/eventually.ts';
import { parkedCount } from '../../test/support/expect-converged.ts';
import { SluiceProcess } from '../../test/support/sluice-process.ts';
import { BufferUnderTest } from '../buffer-under-test.ts';
import { defaultFormat } from '../default-format.ts';
import { IndexUnderTest } from '../index-under-test.ts';
import { JournalUnderTest } from '../journal-under-test.ts';
import type { LoadSummary } from '../load.ts';
import { DATABASE, TABLE } from '../order-row.ts';
import type { Places } from '../scenario.ts';
import { BUILT_COMMAND } from '../service-build.ts';
import { LiveTopic } from './live-topic.ts';
import { summaryOfRows } from './load-rows.ts';
import { realtimeVersions, VisibilityProbe } from './visibility-probe.ts';

export interface ServiceOptions {
  readonly windowMs: number;
  /** The service's default when left out. */
  readonly sessionTimeoutMs?: number;
}

let deployments = 0;

/** All that one run of the service needs, empty: a topic, a group, a store, a buffer and no index yet. One at a time. */
export class FreshDeployment {
  readonly places: Required<Places>;
  readonly topic: LiveTopic;
  readonly storeUrl: string;
  readonly lookup: TableLookup;
  /** What it parses makes the tables of `lookup` know their columns, and so the mapping of `makeIndex`. */
  readonly format: RecordFormat;
  private readonly load: LoadSummary;
  private readonly journal: JournalUnderTest;
  private readonly index: IndexUnderTest;
  private readonly indexUrl: string;
  private readonly running = new Set<SluiceProcess>();

  private constructor(places: Required<Places>, load: LoadSummary, topic: LiveTopic) {
    const { format, lookup } = defaultFormat(load.shape.partitions);
    const table = lookup(DATABASE, TABLE);
    if (table === null) throw new Error('the table of the load is not routed');
    this.places = places;
    this.load = load;
    this.topic = topic;
    this.lookup = lookup;
    this.format = format;
    this.journal = new JournalUnderTest(places.mariadb);
    this.storeUrl = this.journal.url;
    this.index = new IndexUnderTest(places.elasticsearch.url, table);
    this.indexUrl = `${places.elasticsearch.url}/${table.index}`;
  }

  static async open(places: Required<Places>, load: LoadSummary): Promise<FreshDeployment> {
    deployments += 1;
    const name = `bench-${load.shape.name}-${deployments}`;
    const topic = await LiveTopic.open(places.kafka.brokers, name, load.shape.partitions);
    const deployment = new FreshDeployment(places, load, topic);
    const shown = new BufferUnderTest(places.redis.url);
    await shown.empty();
    await shown.close();
    await deployment.journal.empty();
    await deployment.index.remove();
    return deployment;
  }

  /** Makes the index beforehand, for a service that has been here before. */
  makeIndex(): Promise<void> {
    return this.index.empty();
  }

  get groupId(): string {
    return this.topic.name;
  }

  /** Starts `sluice run` as it is built, with everything on, and waits for nothing. */
  async spawn({ sessionTimeoutMs, windowMs }: ServiceOptions): Promise<SluiceProcess> {
    const { elasticsearch, kafka, redis } = this.places;
    const source = { type: 'kafka', brokers: kafka.brokers, groupId: this.groupId, topics: [this.topic.name] };
    const config = {
      source: { ...source, ...(sessionTimeoutMs !== undefined && { sessionTimeoutMs }) },
      buffer: { type: 'redis', url: redis.url },
      journal: { type: 'mysql', url: this.storeUrl },
      index: { type: 'elasticsearch', nodes: [elasticsearch.url] },
      window: { ms: windowMs },
    };
    const sluice = await SluiceProcess.spawn(config, { main: BUILT_COMMAND });
    this.running.add(sluice);
    return sluice;
  }

  /** Waits until the process owns every partition, and looks often. */
  async assigned(sluice: SluiceProcess): Promise<void> {
    await this.shared([sluice]);
  }

  /** Waits until every partition is owned and each of these processes owns one at least; resolves with how many each owns. */
  shared(instances: readonly SluiceProcess[]): Promise<readonly number[]> {
    const { partitions } = this.load.shape;
    return eventually(
      'every partition is owned',
      async () => {
        const shares = await Promise.all(instances.map((one) => one.metric('sluice_assigned_partitions')));
        return shares.reduce((sum, one) => sum + one, 0) === partitions && shares.every((one) => one > 0) && shares;
      },
      { withinMs: 60_000, everyMs: 10 },
    ).catch((cause) => {
      const wrote = instances.map(({ output }) => output.slice(-2000)).join('\n');
      throw new Error(`the partitions were not shared as they should; the service wrote:\n${wrote}`, { cause });
    });
  }

  probe(): VisibilityProbe {
    return new VisibilityProbe(realtimeVersions(this.indexUrl));
  }

  /** Stops it as an operator would. Rejects when it was not well. */
  async stop(sluice: SluiceProcess): Promise<void> {
    const code = await sluice.stop();
    if (code !== 0) throw new Error(`the service exited with ${code}; it wrote:\n${sluice.output.slice(-2000)}`);
  }

  /**
   * Rejects unless rows 0 to `to` are what the index holds, each at its version, rows `from` to `to` what the journal
   * holds, each once, everything is committed and nothing is parked.
   */
  async check({ from = 0, to }: { readonly from?: number; readonly to: number }): Promise<void> {
    await this.topic.committed(this.groupId);
    const parked = await parkedCount(this.storeUrl);
    if (parked > 0) throw new Error(`${parked} keys are still parked`);
    await this.index.check(summaryOfRows(this.load, 0, to));
    await this.journal.check(summaryOfRows(this.load, from, to));
  }

  /** Kills what still runs of it. */
  async close(): Promise<void> {
    for (const sluice of this.running) await sluice.kill();
    await this.topic.close();
  }
}
