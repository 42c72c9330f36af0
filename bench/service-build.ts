import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const build = join(root, 'out/bench-build');

/** What `buildService` makes: the service in the process of a scenario, and the command that a user starts. */
export const BUILT_SERVICE = join(build, 'bench/service-process.js');
export const BUILT_COMMAND = join(build, 'src/cli/main.js');

/** Compiles the service, as the image does: who runs it from its sources has the compiler of Node in its memory, 30 MiB of it. */
export function buildService(): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.bench.json')], { stdio: ['ignore', 2, 2] });
  copyFileSync(join(root, 'package.json'), join(build, 'package.json')); // the command reads its version there
}
