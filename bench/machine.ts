import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const CLIENTS = ['kafkajs', 'rxjs', 'ioredis', 'mysql2', '@elastic/elasticsearch', '@platformatic/kafka'];

/** Where and with what a result was made. */
export function describeMachine(): Readonly<Record<string, string>> {
  const models = cpus();
  return {
    sluice: revision(),
    node: process.version,
    packages: CLIENTS.map((name) => `${name} ${versionOf(name)}`).join(', '),
    machine: `${models.length} × ${models[0]?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`,
  };
}

function revision(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch {
    return 'not a checkout';
  }
}

function versionOf(name: string): string {
  return (JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')) as { version: string })
    .version;
}
