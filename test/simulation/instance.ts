import { forkJoin, from, map, Subject, timer } from 'rxjs';
import { canalJson } from '../../src/formats/canal-json.ts';
import type { Change } from '../../src/pipeline/change.ts';
import { SluiceError } from '../../src/pipeline/errors.ts';
import type { PipelineEvent } from '../../src/pipeline/events.ts';
import type { ChangeBuffer, TableLookup } from '../../src/pipeline/ports.ts';
import { InFlight } from '../../src/pipeline/position.ts';
import { pipelineOf } from '../../src/pipeline/run-service.ts';
import { tables } from '../../src/pipeline/tables.ts';
import type { BufferModel } from './buffer-model.ts';
import { Process } from './clock.ts';
import { Consumer } from './consumer.ts';
import type { ElasticsearchModel } from './elasticsearch-model.ts';
import { indexPort } from './index-port.ts';
import type { KafkaModel } from './kafka-model.ts';
import { type Network, Server } from './network.ts';
import type { Profile } from './profile.ts';
import type { StoreModel } from './store-model.ts';
import { storePort } from './store-port.ts';

/** The servers of a run. */
export interface Servers {
  readonly kafka: Server;
  readonly redis: Server;
  readonly control: Server;
  readonly shards: readonly Server[];
  readonly index: Server;
}

export interface Backends {
  readonly kafka: KafkaModel;
  readonly store: StoreModel;
  readonly index: ElasticsearchModel;
  /** What Redis does with a call, at once. */
  readonly buffer: BufferModel;
}

export interface InstanceOptions {
  readonly name: string;
  readonly profile: Profile;
  readonly network: Network;
  readonly servers: Servers;
  readonly backends: Backends;
  readonly topics: readonly string[];
  readonly skewMs: number;
  readonly onEvent: (event: PipelineEvent) => void;
  /** The process has ended: in order (null) or by an error. */
  readonly onEnd: (error: unknown) => void;
}

/** One process that runs the real pipeline over ports of the network. */
export class Instance {
  readonly process: Process;
  readonly inFlight: InFlight;
  readonly consumer: Consumer;
  readonly kafkaLink: Server;
  private readonly options: InstanceOptions;
  private readonly stopping = new Subject<void>();
  private isStopping = false;
  private isEnding = false;

  constructor(options: InstanceOptions) {
    const { backends, name, network, profile, servers, topics } = options;
    this.options = options;
    this.process = new Process(name, network.clock);
    this.process.skewMs = options.skewMs;
    this.inFlight = new InFlight(profile.inFlight);
    this.kafkaLink = new Server(`${name}-kafka`, { server: servers.kafka });
    const { inFlight, process } = this;
    const routes = tables();
    const lookup: TableLookup = (database, table) => {
      const found = routes.lookup(database, table);
      return found !== null && 'table' in found ? found.table : null;
    };
    const store = storePort(
      backends.store,
      lookup,
      profile.shards,
      (database, what, apply) => {
        const server = database === 'control' ? servers.control : (servers.shards[database] as Server);
        return network.call(process, server, what, apply);
      },
      (calls) => forkJoin(calls.map((call) => from(call))).pipe(map(() => undefined)),
    );
    this.consumer = new Consumer({
      process,
      kafka: backends.kafka,
      link: this.kafkaLink,
      network,
      store,
      inFlight,
      topics,
      commitMs: profile.commitMs,
      fetchRecords: profile.fetchRecords,
    });
    const { consumer } = this;
    const hashedTopic = (): boolean => profile.routing === 'by-key';
    const format = canalJson({
      tables: routes,
      partitionCount: (topic, epoch) => consumer.partitionCount(topic, epoch),
      hashedTopic,
    });
    const { buffer } = backends;
    const parts = {
      source: consumer,
      format,
      buffer: {
        upsert: (changes: readonly Change[]) =>
          network.call(process, servers.redis, 'upsert', () => buffer.upsert(changes)),
        remove: (keys: Parameters<ChangeBuffer['remove']>[0]) =>
          network.call(process, servers.redis, 'remove', () => buffer.remove(keys)),
      },
      store,
      index: indexPort(backends.index, (what, apply) => network.call(process, servers.index, what, apply)),
      inFlight,
      report: options.onEvent,
      scheduler: process,
    };
    pipelineOf(parts, profile.options, { stopping: this.stopping }).subscribe({
      error: (error) => this.end(error),
      complete: () => this.drained(),
    });
  }

  /** SIGTERM: intake ends, what is read is drained. */
  stop(): void {
    if (this.isStopping || this.process.isDead) return;
    this.isStopping = true;
    this.stopping.next();
    this.consumer.stop();
    const { process } = this;
    const limitMs = this.options.profile.options.drainMs + 5000;
    timer(limitMs, process).subscribe(() => this.end(null));
  }

  /** SIGKILL: nothing runs any more, and nothing is unsubscribed. What it has sent may still arrive. */
  kill(): void {
    this.isEnding = true;
    this.process.die();
  }

  private drained(): void {
    this.consumer.commit().subscribe({ complete: () => this.end(null), error: () => this.end(null) });
  }

  private end(error: unknown): void {
    if (this.isEnding) return;
    this.isEnding = true;
    const exit = (): void => {
      this.process.die();
      this.options.onEnd(error);
    };
    this.consumer.leave().subscribe({ complete: exit, error: exit });
  }
}

/** Whether an instance refused to read because the log is not the registered one. */
export function isRefusal(error: unknown): error is SluiceError {
  return error instanceof SluiceError && (error.code === 'E2002' || error.code === 'E2003');
}
