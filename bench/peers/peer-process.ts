import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** What is kept of a peer's last words, in lines. */
const LAST_LINES = 12;
const STOP_MS = 10_000;

export interface PeerCommand {
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
}

/** A peer as a process of its own. It ends with this one, however this one ends. */
export class PeerProcess {
  readonly pid: number;
  /** Rejects when the process ends before it is stopped, with its last words; never resolves. */
  readonly ended: Promise<never>;
  private readonly child: ChildProcessByStdio<null, Readable, Readable>;
  private readonly lines: string[] = [];
  private hear: (line: string) => void = () => undefined;

  private constructor(child: ChildProcessByStdio<null, Readable, Readable>, pid: number) {
    this.child = child;
    this.pid = pid;
    for (const stream of [child.stdout, child.stderr]) this.listen(stream);
    this.ended = once(child, 'close').then(([code, signal]) => {
      throw new Error(`the peer ended with ${signal ?? code}: ${this.lines.join(' | ') || 'it printed nothing'}`);
    });
    this.ended.catch(() => undefined); // heard by whoever waits meanwhile, and by nobody once it is stopped
  }

  static async start({ command, environment }: PeerCommand, directory: string): Promise<PeerProcess> {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      cwd: directory,
      env: { PATH: process.env.PATH, HOME: directory, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await once(child, 'spawn');
    return new PeerProcess(child, child.pid as number);
  }

  /** Resolves on the first line that matches, at once: it is looked for from now on only. */
  says(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      this.hear = (line) => {
        if (pattern.test(line)) resolve();
      };
    });
  }

  async stop(): Promise<void> {
    const closed = this.ended.catch(() => undefined);
    this.child.kill('SIGTERM');
    const late = new AbortController();
    await Promise.race([closed, delay(STOP_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    this.child.kill('SIGKILL');
    await closed;
  }

  private listen(stream: Readable): void {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        this.hear(line);
        // Not the frames of stack traces.
        if (/^\S/.test(line)) this.lines.push(line.slice(0, 500));
      }
      this.lines.splice(0, this.lines.length - LAST_LINES);
    });
  }
}
