import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { SluiceError } from '../../src/pipeline/errors.ts';
import type { Verdict } from '../../src/pipeline/health.ts';
import { httpServer } from '../../src/pipeline/http-server.ts';

function parts(verdicts: { live?: Verdict; ready?: Verdict } = {}) {
  const ok: Verdict = { isOk: true, body: { status: 'ok' } };
  const state = { scrapes: 0, isBroken: false, release: () => undefined as unknown, isSlow: false };
  const registry = {
    contentType: 'text/plain; version=0.0.4; charset=utf-8' as const,
    metrics: async (): Promise<string> => {
      state.scrapes += 1;
      if (state.isBroken) throw new Error('broken');
      if (state.isSlow) await new Promise((resolve) => (state.release = () => resolve(null)));
      return 'up 1\n';
    },
  };
  const health = { live: () => verdicts.live ?? ok, ready: () => verdicts.ready ?? ok, details: () => ok };
  return { registry: registry as never, health, state };
}

async function served(
  options: ReturnType<typeof parts>,
  use: (get: (path: string, init?: RequestInit) => Promise<Response>) => Promise<void>,
): Promise<void> {
  const server = await httpServer({ port: 0, ...options }).start();
  try {
    await use((path, init) => fetch(`http://127.0.0.1:${server.port}${path}`, init));
  } finally {
    await server.close();
  }
}

test('each page answers as its judge says, and nothing is cached', async () => {
  const notReady: Verdict = { isOk: false, body: { status: 'not ready', failing: [{ check: 'store' }] } };
  await served(parts({ ready: notReady }), async (get) => {
    for (const path of ['/livez', '/health', '/healthz', '/readyz?verbose']) {
      const answer = await get(path);
      assert.equal(answer.status, path.startsWith('/readyz') ? 503 : 200, path);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.ok(await answer.json());
    }
    assert.deepEqual(await (await get('/readyz')).json(), notReady.body);
    const metrics = await get('/metrics');
    assert.equal(await metrics.text(), 'up 1\n');
    assert.match(metrics.headers.get('content-type') ?? '', /version=0\.0\.4/);
  });
});

test('other pages are 404 and other methods 405', async () => {
  await served(parts(), async (get) => {
    for (const path of ['/', '/metrics/', '/livez/x', '/__proto__', '/constructor', '/%2e%2e/etc/passwd']) {
      assert.equal((await get(path)).status, 404, path);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await get('/metrics', { method });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get('allow'), 'GET, HEAD');
    }
    const head = await get('/livez', { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), '');
  });
});

test('scrapes that overlap share one answer, and one that fails is 500 without its reason', async () => {
  const options = parts();
  await served(options, async (get) => {
    options.state.isSlow = true;
    const both = [get('/metrics'), get('/metrics')];
    for (let i = 0; i < 500 && options.state.scrapes === 0; i += 1) await get('/livez');
    await get('/livez');
    options.state.release();
    for (const answer of both) assert.equal((await answer).status, 200);
    assert.ok(options.state.scrapes <= 2);
    options.state.isSlow = false;
    options.state.isBroken = true;
    const failed = await get('/metrics');
    assert.equal(failed.status, 500);
    assert.doesNotMatch(await failed.text(), /broken/);
  });
});

test('a port that is taken is a configuration error with a remedy', async () => {
  const first = await httpServer({ port: 0, ...parts() }).start();
  try {
    await assert.rejects(httpServer({ port: first.port, ...parts() }).start(), (error: unknown) => {
      assert.ok(error instanceof SluiceError);
      assert.equal(error.code, 'E1001');
      assert.equal(error.detail, 'EADDRINUSE');
      assert.match(error.remedy, /http\.port/);
      return true;
    });
  } finally {
    await first.close();
  }
});

test('closing does not wait for connections that are kept alive or say nothing', async () => {
  const server = await httpServer({ port: 0, ...parts() }).start();
  await (await fetch(`http://127.0.0.1:${server.port}/livez`)).text();
  const silent = connect(server.port, '127.0.0.1');
  silent.on('error', () => undefined);
  await new Promise((resolve) => silent.once('connect', resolve));
  silent.write('GET /livez HTTP/1.1\r\n');
  await server.close();
  await new Promise((resolve) => silent.once('close', resolve));
  await assert.rejects(fetch(`http://127.0.0.1:${server.port}/livez`));
});
