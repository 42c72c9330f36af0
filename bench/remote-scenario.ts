import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { LoadShape } from './load.ts';
import { PARTS, type Places, type ScenarioName } from './scenario.ts';
import type { Order, Reply, Sample } from './scenario-process.ts';
import { serviceFlags } from './service-flags.ts';

/** A scenario in its own process. One order at a time. */
export class RemoteScenario {
  readonly name: ScenarioName;
  private readonly child: ChildProcess;

  private constructor(name: ScenarioName, child: ChildProcess) {
    this.name = name;
    this.child = child;
  }

  /** Starts the process and has it make its loads ready. */
  static async open(
    name: ScenarioName,
    loads: readonly LoadShape[],
    { places, pids }: { readonly places: Places; readonly pids: Readonly<Record<string, number>> },
  ): Promise<RemoteScenario> {
    const flags = PARTS.includes(name) ? serviceFlags() : [];
    const child = fork(join(import.meta.dirname, 'scenario-process.ts'), [], { execArgv: ['--expose-gc', ...flags] });
    const remote = new RemoteScenario(name, child);
    try {
      await remote.give({ order: 'open', scenario: name, loads, places, pids });
    } catch (error) {
      await remote.close(); // or it would keep this process alive
      throw error;
    }
    return remote;
  }

  /** Runs a load once. Rejects when its final state is wrong. */
  async run(load: string): Promise<Sample> {
    const reply = await this.give({ order: 'run', load });
    if (reply.reply !== 'sample') throw new Error('a run gave no sample');
    return reply.sample;
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    await this.give({ order: 'close' }).catch(() => undefined);
    this.child.disconnect();
    await once(this.child, 'exit');
  }

  private async give(order: Order): Promise<Reply> {
    const waiting = new AbortController();
    const { signal } = waiting;
    try {
      const answered = once(this.child, 'message', { signal });
      const ended = once(this.child, 'exit', { signal }).then(([code]) => {
        throw new Error(`the process of ${this.name} ended with ${code}`);
      });
      this.child.send(order);
      const [reply] = (await Promise.race([answered, ended])) as [Reply];
      if (reply.reply === 'failed') throw new Error(`${this.name}: ${reply.reason}`);
      return reply;
    } finally {
      waiting.abort();
    }
  }
}
