import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** What `buildService` makes. */
export const BUILT_SERVICE = join(root, 'out/bench-build/bench/service-process.js');

/** Compiles the process of the service, as the image does: who runs it from its sources has the compiler of Node in its memory, 30 MiB of it. */
export function buildService(): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.bench.json')], { stdio: ['ignore', 2, 2] });
}
