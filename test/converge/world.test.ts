import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { openWorld } from './world.ts';

test('a server that does not start leaves no link open, or the failed test would never end', async () => {
  let proxied: readonly number[] = [];
  const failing = (advertised: readonly number[]): Promise<never> => {
    proxied = advertised;
    return Promise.reject(new Error('elasticsearch is not ready'));
  };

  const opening = openWorld({ seed: 1, perSecond: 1, folder: tmpdir() }, failing);

  await assert.rejects(opening, /elasticsearch is not ready/);
  assert.equal(proxied.length, 3);
  for (const port of proxied)
    await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
});
