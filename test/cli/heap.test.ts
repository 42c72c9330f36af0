import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { NODE_FLAGS } from '../support/sluice-process.ts';

test('the heap has the same bound wherever node is started', () => {
  const [flag, ...others] = NODE_FLAGS;
  assert.match(String(flag), /^--max-old-space-size=\d+$/);
  assert.deepEqual(others, []);
  const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const name of ['start', 'sluice']) assert.ok(scripts[name]?.startsWith(`node ${flag} src/cli/main.ts`), name);
  assert.ok(read('Dockerfile').includes(`ENTRYPOINT ["node", "${flag}", `));
});
