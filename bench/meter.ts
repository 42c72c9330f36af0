import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { forgetPeakResident, peakResidentBytes } from './resident.ts';

/** What a stretch of time has cost. */
export interface Cost {
  readonly ms: number;
  /** CPU of the measured process, all threads: garbage collection and compilation are in it. Microseconds. */
  readonly ownCpuUs: number;
  /** The highest resident set of the measured process meanwhile. */
  readonly peakResidentBytes: number;
  /** CPU of each server, microseconds, in steps of 10,000. */
  readonly serverCpuUs: Readonly<Record<string, number>>;
  /** Cores that everything else on the machine kept busy meanwhile: what makes a measurement doubtful. */
  readonly otherCores: number;
}

interface Reading {
  readonly ms: number;
  readonly ownUs: number;
  /** CPU of this process while it measures another one. */
  readonly watchUs: number;
  readonly machineUs: number;
  readonly serverUs: Readonly<Record<string, number>>;
}

/** The kernel counts in ticks, 100 a second on every Linux that Node runs on. */
const TICK_US = 10_000;

/** Measures one stretch: wall clock, CPU and memory of one process, and CPU of the servers by their process ids. */
export class Meter {
  private readonly servers: Readonly<Record<string, number>>;
  private pid = process.pid;
  private started: Reading | null = null;
  private cost: Cost | null = null;

  constructor(servers: Readonly<Record<string, number>>) {
    this.servers = servers;
  }

  /** `pid`: the process that does the work, when it is not this one. */
  start(pid = process.pid): void {
    this.pid = pid;
    forgetPeakResident(pid);
    this.started = this.read();
  }

  /** Only the first call after `start` counts. */
  stop(): void {
    if (this.started === null) throw new Error('the meter was stopped before it was started');
    if (this.cost !== null) return;
    const from = this.started;
    const to = this.read();
    const serverCpuUs = Object.fromEntries(
      Object.entries(to.serverUs).map(([name, us]) => [name, us - (from.serverUs[name] ?? 0)]),
    );
    const ms = to.ms - from.ms;
    const ownCpuUs = to.ownUs - from.ownUs;
    const ours = Object.values(serverCpuUs).reduce((sum, us) => sum + us, ownCpuUs + to.watchUs - from.watchUs);
    const otherCores = Math.max(0, (to.machineUs - from.machineUs - ours) / (ms * 1000));
    this.cost = { ms, ownCpuUs, peakResidentBytes: peakResidentBytes(this.pid), serverCpuUs, otherCores };
  }

  get result(): Cost {
    if (this.cost === null) throw new Error('the run never stopped the meter');
    return this.cost;
  }

  private read(): Reading {
    const isOwn = this.pid === process.pid;
    const ownUs = isOwn ? ownCpuUs() : cpuOfUs(this.pid);
    const watchUs = isOwn ? 0 : ownCpuUs();
    const serverUs = Object.fromEntries(Object.entries(this.servers).map(([name, pid]) => [name, cpuOfUs(pid)]));
    return { ms: performance.now(), ownUs, watchUs, machineUs: machineCpuUs(), serverUs };
  }
}

/** The finer of the two clocks, which a process has for itself only. */
function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function cpuOfUs(pid: number): number {
  // The name, in parentheses, may hold spaces; user and system time are the 12th and 13th fields after it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

function machineCpuUs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) * 1000;
}
