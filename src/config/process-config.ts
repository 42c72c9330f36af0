import { CRASH_VARIABLE } from './environment.ts';
import { type Config, loadConfig } from './load.ts';

/**
 * The configuration of this process: its environment over the file given. The one place that reads the environment.
 *
 * @throws SluiceError E1001 that lists every problem at once.
 */
export function processConfig(file?: string): Config {
  return loadConfig({ environment: process.env, ...(file === undefined ? {} : { file }) });
}

/** Where this process is to end itself, or null: see `crash-points.ts`. */
export function crashPointOfProcess(): string | null {
  return process.env[CRASH_VARIABLE] || null;
}
