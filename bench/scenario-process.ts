import { buffered } from './buffered.ts';
import { endToEnd, endToEndLean } from './end-to-end.ts';
import { fillElsewhere } from './filling.ts';
import { intake } from './intake.ts';
import { jsonParse } from './json-parse.ts';
import { kafkaFold } from './kafka-fold.ts';
import { kafkaLimit } from './kafka-limit.ts';
import { GOOD_BULK, limit } from './limit.ts';
import { type LoadShape, type LoadSummary, makeLoad } from './load.ts';
import { type Cost, Meter } from './meter.ts';
import { bento } from './peers/bento.ts';
import { flink } from './peers/flink.ts';
import type { Places, RunNotes, Scenario, ScenarioName } from './scenario.ts';
import { storesLimit } from './stores-limit.ts';

/** What the parent sends. */
export type Order =
  | {
      readonly order: 'open';
      readonly scenario: ScenarioName;
      readonly loads: readonly LoadShape[];
      readonly places: Places;
      /** Process ids of the servers by name. */
      readonly pids: Readonly<Record<string, number>>;
    }
  | { readonly order: 'run'; readonly load: string }
  | { readonly order: 'close' };

/** `bytes`: of the values of all records of the load. */
export type Sample = { readonly rows: number; readonly bytes: number } & Cost & RunNotes;

/** What it gets back, one for each order. */
export type Reply =
  | { readonly reply: 'done' }
  | { readonly reply: 'sample'; readonly sample: Sample }
  | { readonly reply: 'failed'; readonly reason: string };

const FACTORIES: Readonly<Record<ScenarioName, (places: Required<Places>) => Scenario>> = {
  limit: (places) => limit(places, { documents: 1000, inFlight: 2 }),
  'limit-2x2000': (places) => limit(places, GOOD_BULK),
  'limit-4x1000': (places) => limit(places, { documents: 1000, inFlight: 4 }),
  'json-parse': jsonParse,
  intake,
  'kafka-limit': kafkaLimit,
  'kafka-fold': kafkaFold,
  'stores-limit': storesLimit,
  buffered,
  'end-to-end-lean': endToEndLean,
  'end-to-end': endToEnd,
  bento,
  flink,
};

/**
 * What they read was made by another process: one that has made a load keeps the memory, and takes from there what it
 * would otherwise have to ask the kernel for.
 */
const READERS: ReadonlySet<ScenarioName> = new Set(['kafka-limit', 'kafka-fold']);

/**
 * Serves one scenario in a process of its own, so that its CPU is its own and its code stays warm between runs. Garbage of
 * what was done before a run is collected before it.
 */
class ScenarioProcess {
  private scenario: Scenario | null = null;
  private readonly loads = new Map<string, LoadSummary>();
  private pids: Readonly<Record<string, number>> = {};

  async obey(order: Order): Promise<Reply> {
    if (order.order === 'run') return { reply: 'sample', sample: await this.run(order.load) };
    if (order.order === 'open') await this.open(order);
    else await this.scenario?.close();
    return { reply: 'done' };
  }

  private async open({ scenario, loads, places, pids }: Extract<Order, { order: 'open' }>): Promise<void> {
    this.pids = pids;
    this.scenario = FACTORIES[scenario](places as Required<Places>);
    for (const shape of loads) {
      const isReader = READERS.has(scenario) && places.kafka !== undefined;
      const load = isReader ? await fillElsewhere(places.kafka.brokers, shape) : makeLoad(shape);
      await this.scenario.open(load);
      this.loads.set(shape.name, load.summary);
    }
  }

  private async run(name: string): Promise<Sample> {
    const load = this.loads.get(name);
    if (this.scenario === null || load === undefined) throw new Error(`load ${name} is not open`);
    globalThis.gc?.();
    const meter = new Meter(this.pids);
    const notes = await this.scenario.run(load, meter);
    return { rows: load.shape.rows, bytes: load.bytes, ...meter.result, ...notes };
  }
}

const served = new ScenarioProcess();
process.on('message', (order: Order) => {
  served.obey(order).then(
    (reply) => process.send?.(reply),
    (error: unknown) => {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.send?.({ reply: 'failed', reason } satisfies Reply);
    },
  );
});
process.on('disconnect', () => process.exit());
