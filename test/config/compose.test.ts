import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { versions } from '../../scripts/stack/index.mjs';
import { keysOfSchema } from '../../src/config/keys.ts';
import { loadConfig } from '../../src/config/load.ts';
import { LONGEST_CLOSE_MS } from '../../src/pipeline/run-service.ts';

interface Service {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly stop_grace_period?: string;
}

const text = readFileSync(join(import.meta.dirname, '../../deploy/compose.yaml'), 'utf8');
const { services } = parse(text) as { services: Readonly<Record<string, Service>> };
const sluice = services.sluice as Service;
const config = () => loadConfig({ environment: { ...sluice.environment } });

test('every variable that the compose file names is one of the configuration', () => {
  const named = new Set(text.match(/SLUICE_\w+/g));
  const known = new Set([...keysOfSchema().values()].map(({ variable }) => variable));
  assert.ok(named.size >= 10);
  assert.deepEqual(
    [...named].filter((name) => !known.has(name)),
    [],
  );
});

test('the configuration in the compose file is valid and uses the real servers', () => {
  const { buffer, index, journal, source } = config();
  assert.deepEqual(
    [source, buffer, journal, index].map(({ type }) => type),
    ['kafka', 'redis', 'mysql', 'elasticsearch'],
  );
});

test('sluice reaches each server of the compose file by the name of its service', () => {
  const { buffer, index, journal, source } = config();
  const addresses = [
    ...(source.type === 'kafka' ? source.brokers.map((broker) => `kafka://${broker}`) : []),
    ...(buffer.type === 'redis' ? [buffer.url ?? ''] : []),
    ...(journal.type === 'mysql' ? [journal.url] : []),
    ...(index.type === 'elasticsearch' ? index.nodes : []),
  ];
  assert.deepEqual(
    addresses.map((address) => new URL(address).hostname),
    ['kafka', 'redis', 'mariadb', 'elasticsearch'],
  );
  for (const address of addresses) assert.ok(new URL(address).hostname in services, address);
});

test('the health port of the compose file is published, to this machine only', () => {
  const { http } = config();
  assert.equal(http.host, '0.0.0.0');
  assert.ok(sluice.ports?.includes(`127.0.0.1:${http.port}:${http.port}`));
  for (const [name, { ports = [] }] of Object.entries(services)) {
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/, name);
  }
});

test('the compose file leaves a stopped sluice the time to drain and to close', () => {
  const graceMs = 1000 * Number(/^(\d+)s$/.exec(sluice.stop_grace_period ?? '')?.[1]);
  assert.ok(graceMs > config().drainMs + LONGEST_CLOSE_MS, `${graceMs} ms`);
});

test('the compose file pins the versions of the servers that the tests run on', () => {
  assert.equal(services.kafka?.image, `apache/kafka:${versions.kafka}`);
  assert.equal(services.topics?.image, services.kafka?.image);
  assert.equal(services.elasticsearch?.image, `elasticsearch:${versions.elasticsearch}`);
  assert.equal(services.redis?.image, 'redis:7'); // Debian 12 has 7.0
  assert.equal(services.mariadb?.image, 'mariadb:10.11'); // and this one
});
