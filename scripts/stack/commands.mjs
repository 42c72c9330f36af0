import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a command and returns what it printed; it is heard only when it fails. */
export async function output(command, args, options = {}) {
  try {
    const { stdout } = await execute(command, args, { timeout: 120_000, maxBuffer: 2 ** 26, ...options });
    return stdout;
  } catch (error) {
    const printed = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim().split('\n').slice(-10).join('\n');
    const reason = error.killed ? 'it took too long' : (error.code ?? error.signal);
    throw new Error(`${command} failed (${reason}): ${printed || args.join(' ')}`, { cause: error });
  }
}
