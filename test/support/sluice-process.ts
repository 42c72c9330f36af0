import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

/** What its first line gives to node. */
export const NODE_FLAGS = readFileSync(MAIN, 'utf8').split('\n', 1)[0]?.split(' ').slice(3) ?? [];

interface SpawnOptions {
  /** A crash point at which it kills itself. */
  readonly crashAt?: string;
  /** Lets `liveHeapBytes` ask it. */
  readonly isInspected?: boolean;
  /** The command as it is built, instead of its source. */
  readonly main?: string;
}

const running = new Set<ChildProcess>();

/** Kills what a failed test left running: for `after`. */
export function killRunning(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** `sluice run` as a process of its own: what a user starts, stops and kills. */
export class SluiceProcess {
  private readonly child: ChildProcess;
  private readonly port: number;
  private readonly exited: Promise<unknown[]>;
  /** Everything it wrote, at most the last megabyte. */
  output = '';

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
    this.exited = once(child, 'exit');
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-(1 << 20));
      });
    }
  }

  /** Starts it with a configuration (its `http.port` is chosen here) and waits until `/readyz` says 200. */
  static async start(
    config: Readonly<Record<string, unknown>>,
    { isReadyWithinMs = 60_000, ...options }: SpawnOptions & { readonly isReadyWithinMs?: number } = {},
  ): Promise<SluiceProcess> {
    const started = await SluiceProcess.spawn(config, options);
    const exited = started.exited.then(() => {
      throw new Error(`it exited with ${started.child.exitCode}`);
    });
    const ready = eventually('sluice is ready', () => started.isReady(), { withinMs: isReadyWithinMs });
    await Promise.race([ready, exited]).catch((error) => {
      started.child.kill('SIGKILL');
      throw new Error(`sluice did not become ready; it wrote:\n${started.output}`, { cause: error });
    });
    exited.catch(() => undefined);
    return started;
  }

  /** Starts it and waits for nothing: for starts that are meant to fail. */
  static async spawn(
    config: Readonly<Record<string, unknown>>,
    { crashAt, isInspected = false, main = MAIN }: SpawnOptions = {},
  ): Promise<SluiceProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-run-'));
    const port = await freePort();
    const file = join(folder, 'sluice.json');
    writeFileSync(file, JSON.stringify({ ...config, http: { host: '127.0.0.1', port } }));
    const env = { ...withoutSettings(process.env), ...(crashAt === undefined ? {} : { SLUICE_CRASH_AT: crashAt }) };
    const flags = isInspected ? [...NODE_FLAGS, '--inspect=127.0.0.1:0'] : NODE_FLAGS;
    const child = spawn(process.execPath, [...flags, main, 'run', '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    });
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    running.add(child);
    child.once('exit', () => {
      running.delete(child);
      process.removeListener('exit', kill);
      rmSync(folder, { recursive: true, force: true });
    });
    return new SluiceProcess(child, port);
  }

  async isReady(): Promise<boolean> {
    return (await this.get('/readyz')).status === 200;
  }

  async get(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    return { status: response.status, text: await response.text() };
  }

  /** Sum of a metric over its labels, or only over series whose labels contain every given text. */
  async metric(name: string, ...labels: string[]): Promise<number> {
    const { text } = await this.get('/metrics');
    const series = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return series
      .filter((line) => labels.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resident set of the process, bytes. */
  get residentBytes(): number {
    const pages = readFileSync(`/proc/${this.child.pid}/statm`, 'utf8').split(' ')[1];
    return Number(pages) * 4096;
  }

  /** The most it was so far, bytes. */
  get peakResidentBytes(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** What is left on its heap by a full garbage collection, which this call makes it do, bytes. */
  async liveHeapBytes(): Promise<number> {
    const address = /Debugger listening on (ws:\S+)/.exec(this.output)?.[1];
    if (address === undefined) throw new Error('it was started without isInspected');
    const inspector = new WebSocket(address);
    const call = async (id: number, method: string): Promise<{ result: { usedSize: number } }> => {
      const answered = once(inspector, 'message', { signal: AbortSignal.timeout(30_000) });
      inspector.send(JSON.stringify({ id, method }));
      return JSON.parse((await answered)[0].data);
    };
    try {
      await once(inspector, 'open', { signal: AbortSignal.timeout(30_000) });
      await call(1, 'HeapProfiler.collectGarbage');
      return (await call(2, 'Runtime.getHeapUsage')).result.usedSize;
    } finally {
      inspector.close();
    }
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    await this.exited;
    return this.child.exitCode;
  }

  /** SIGKILL, as a crash. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves with true when it died of SIGKILL, with false when it ended in another way. */
  async wasKilled(): Promise<boolean> {
    await this.exited;
    return this.child.signalCode === 'SIGKILL';
  }

  /** Resolves with the exit code when it ends by itself. */
  async ended(): Promise<number | null> {
    await this.exited;
    return this.child.exitCode;
  }
}

/** The environment without variables that sluice would take for settings, or refuse. */
export function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('SLUICE_')));
}

/**
 * Below the ports that systems give to outgoing connections and apart from those of the stack’s servers: one that the system
 * chose was taken by somebody's connection before a process that was started again could listen on it.
 */
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(7000, 10_000); // fetch refuses some that lie below
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error('no port is free');
}
