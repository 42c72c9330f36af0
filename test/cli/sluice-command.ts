import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withoutSettings } from '../support/sluice-process.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

/** How a command ended and what it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Working directory. */
  readonly cwd?: string;
  /** Variables beside those of the test that are no settings. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A command as a process of its own. Nothing is written to its standard input unless the test does. */
export class SluiceCommand {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  private readonly closed: Promise<unknown>;

  constructor(args: readonly string[], { cwd = tmpdir(), env = {} }: CommandOptions = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], { cwd, env: { ...withoutSettings(process.env), ...env } });
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    this.child.stdin?.on('error', () => undefined);
    this.closed = once(this.child, 'close');
    // A test that fails must not leave it behind.
    const deadline = setTimeout(() => this.child.kill('SIGKILL'), 60_000).unref();
    void this.closed.then(() => clearTimeout(deadline));
  }

  async ended(): Promise<Ended> {
    await this.closed;
    const { child, stderr, stdout } = this;
    return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
  }
}

/** Runs a command to its end. `stdin`: all there is to read. */
export async function sluice(
  args: readonly string[],
  options: CommandOptions & { stdin?: string } = {},
): Promise<Ended> {
  const command = new SluiceCommand(args, options);
  command.child.stdin?.end(options.stdin ?? '');
  return await command.ended();
}

/** A directory for one test, and a configuration in it for a service without servers. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-cli-'));

  file(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text);
    return path;
  }

  /** Everything lies in this directory, and nothing listens; `more` adds to it or replaces. */
  config(more: Readonly<Record<string, unknown>> = {}): string {
    const settings = {
      source: { type: 'file', path: join(this.path, 'changes.ndjson') },
      journal: { type: 'sqlite', path: join(this.path, 'journal.db') },
      index: { type: 'directory', path: join(this.path, 'index') },
      http: { enabled: false },
      ...more,
    };
    return this.file('sluice.json', JSON.stringify(settings));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Runs a test in a directory of its own. */
export async function inFolder(use: (folder: Folder) => Promise<void>): Promise<void> {
  const folder = new Folder();
  try {
    await use(folder);
  } finally {
    folder.remove();
  }
}
