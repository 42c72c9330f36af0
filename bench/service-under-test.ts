import { type ChildProcess, fork } from 'node:child_process';
import type { Meter } from './meter.ts';
import { BUILT_SERVICE } from './service-build.ts';
import { serviceFlags } from './service-flags.ts';
import type { ServiceNews, ServiceOrder } from './service-process.ts';

/**
 * The service in a process of its own under its own flags: neither making loads nor checking what came of them is in its
 * CPU and memory. It stays for all runs, so its code gets warm.
 */
export class ServiceUnderTest {
  private child: ChildProcess | null = null;

  /** Measured from the assignment of partitions until everything is settled. Resolves with its notes when it has stopped. */
  run(order: ServiceOrder, meter: Meter): Promise<Readonly<Record<string, number>>> {
    this.child ??= fork(BUILT_SERVICE, [], {
      execArgv: ['--expose-gc', ...serviceFlags()],
    });
    const { child } = this;
    const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, number>>>();
    const hear = (told: ServiceNews): void => {
      if (told.news === 'assigned') meter.start(child.pid);
      if (told.news === 'settled') meter.stop();
      if (told.news === 'done') resolve(told.notes);
      if (told.news === 'failed') reject(new Error(told.reason));
    };
    const end = (code: number | null): void => {
      this.child = null;
      reject(new Error(`the process of the service ended with ${code}`));
    };
    child.on('message', hear).once('exit', end);
    child.send(order);
    return promise.finally(() => child.off('message', hear).off('exit', end));
  }

  close(): void {
    if (this.child?.connected) this.child.disconnect();
  }
}
