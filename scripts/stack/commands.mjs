import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a short command and returns what it printed. */
export async function output(command, args, options = {}) {
  const { stdout } = await execute(command, args, { timeout: 120_000, ...options });
  return stdout;
}

/** Runs a long command; what it prints goes to our standard error, so that standard output stays ours. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 2, 2], ...options });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args.join(' ')} failed: ${signal ?? `exit code ${code}`}`));
    });
  });
}
