import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { NODE_FLAGS } from '../support/sluice-process.ts';

test('the heap has the same bound wherever node is started', () => {
  const [old, young, growth, scavenge, ...others] = NODE_FLAGS;
  assert.match(String(old), /^--max-old-space-size=\d+$/);
  assert.match(String(young), /^--max-semi-space-size=\d+$/);
  assert.match(String(growth), /^--heap-growing-percent=\d+$/);
  assert.equal(scavenge, '--no-parallel-scavenge');
  assert.deepEqual(others, []);
  const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const command = `node ${NODE_FLAGS.join(' ')} src/cli/main.ts`;
  for (const name of ['start', 'sluice']) assert.ok(scripts[name]?.startsWith(command), name);
  assert.ok(read('Dockerfile').includes(`ENTRYPOINT ["node", ${NODE_FLAGS.map((flag) => `"${flag}", `).join('')}`));
});
