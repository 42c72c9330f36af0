import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { moduleText, PROGRAMS } from '../scripts/wasm.ts';

for (const program of PROGRAMS) {
  test(`the compiled ${program.name} is made of its source`, async () => {
    assert.equal(await readFile(program.module, 'utf8'), await moduleText(program), 'run `npm run build:wasm`');
  });
}
