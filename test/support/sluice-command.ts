import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withoutSettings } from './sluice-process.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command of the command line to its end, in a process of its own, with a configuration as its file. */
export async function sluiceCommand(config: object, command: string, ...args: string[]): Promise<CommandResult> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-command-'));
  const file = join(folder, 'sluice.json');
  writeFileSync(file, JSON.stringify(config));
  const options = { env: withoutSettings(process.env), timeout: 60_000 };
  try {
    return await new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [MAIN, command, ...args, '--config', file],
        options,
        (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
      );
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
