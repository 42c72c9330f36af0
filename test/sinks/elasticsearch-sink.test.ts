import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Outcome } from '../../src/pipeline/ports.ts';
import { type ElasticsearchSink, elasticsearchSink } from '../../src/sinks/elasticsearch-sink.ts';
import { deleteOf, freshIndexTable, upsertOf, versionsOf, write } from '../conformance/index-sink.ts';

/** Answers every request to `_bulk` as a test says; every index is there. Headers and bodies are kept to look at. */
class OddServer {
  readonly requests: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[] = [];
  bulk: (response: ServerResponse) => void = () => undefined;
  other: ((path: string, response: ServerResponse) => boolean) | null = null;
  private readonly server: Server;

  constructor() {
    this.server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const path = request.url ?? '';
      this.requests.push({ method: request.method ?? '', path, headers: request.headers, body });
      response.setHeader('x-elastic-product', 'Elasticsearch');
      response.setHeader('content-type', 'application/json');
      if (path.includes('/_bulk')) this.bulk(response);
      else if (this.other?.(path, response) !== true)
        response.end(JSON.stringify({ index: { settings: { 'index.gc_deletes': '1h' } } }));
    });
  }

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const GUSH = Buffer.alloc(1024 * 1024, ' ');

let server: OddServer;
let url: string;
let sink: ElasticsearchSink;
before(async () => {
  server = new OddServer();
  url = await server.listen();
  sink = elasticsearchSink({ nodes: [url], requestTimeoutMs: 1000 });
});
after(async () => {
  await sink?.close();
  server?.close();
});

const retry = (errorType: string, isOverload = false, retryAfterMs: number | null = null): Outcome => ({
  kind: 'retry',
  errorType,
  isOverload,
  retryAfterMs,
});

async function outcomeOf(bulk: OddServer['bulk'], by = sink): Promise<Outcome | undefined> {
  server.bulk = bulk;
  const table = freshIndexTable();
  const outcomes = await write(by, [upsertOf(table, 'a', 1), deleteOf(table, 'b', 2)]);
  assert.equal(outcomes.length, 2);
  assert.deepEqual(outcomes[0], outcomes[1]);
  return outcomes[0];
}

describe('odd answers', () => {
  test('HTML with status 200 is to be sent again', async () => {
    const outcome = await outcomeOf((response) => {
      response.removeHeader('x-elastic-product');
      response.setHeader('content-type', 'text/html');
      response.end('<html>please sign in</html>');
    });
    assert.deepEqual(outcome, retry('not_elasticsearch'));
  });

  test('broken JSON is to be sent again', async () => {
    assert.deepEqual(await outcomeOf((response) => response.end('{"items":[{"ind')), retry('unreadable_answer'));
  });

  test('fewer items than writes are to be sent again, all of them', async () => {
    const items = [{ index: { status: 201 } }];
    const outcome = await outcomeOf((response) => response.end(JSON.stringify({ errors: false, items })));
    assert.deepEqual(outcome, retry('unreadable_answer'));
  });

  test('a cut connection is to be sent again', async () => {
    assert.deepEqual(await outcomeOf((response) => response.destroy()), retry('connection_failed'));
  });

  test('an answer cut in the middle is to be sent again', async () => {
    const outcome = await outcomeOf((response) => {
      response.setHeader('content-length', 1000);
      response.write('{"items":[', () => response.destroy());
    });
    assert.deepEqual(outcome, retry('connection_failed'));
  });

  test('no answer is to be sent again after the time-out', async () => {
    assert.deepEqual(await outcomeOf(() => undefined), retry('timeout'));
  });

  test('an endless answer is given up', async () => {
    const announced = await outcomeOf((response) => {
      response.setHeader('content-length', 1024 ** 3);
      response.write(Buffer.alloc(1024));
    });
    assert.deepEqual(announced, retry('timeout'));
    const dripping = await outcomeOf((response) => {
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    });
    assert.deepEqual(dripping, retry('timeout'));
    const patient = elasticsearchSink({ nodes: [url] });
    const gushing = await outcomeOf((response) => {
      const gush = (): void => {
        while (!response.destroyed && response.write(GUSH));
      };
      response.on('drain', gush);
      gush();
    }, patient);
    await patient.close();
    assert.deepEqual(gushing, retry('answer_too_large'));
  });

  test('a compressed answer, which nobody asked for, is to be sent again', async () => {
    const outcome = await outcomeOf((response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync('{"items":[]}'));
    });
    assert.deepEqual(outcome, retry('connection_failed'));
  });

  test('429 hands on how long to wait, in seconds or as a date', async () => {
    const busy = (wait: string) => (response: ServerResponse) => {
      response.writeHead(429, { 'retry-after': wait }).end('{"error":{"type":"es_rejected_execution_exception"}}');
    };
    const type = 'es_rejected_execution_exception';
    assert.deepEqual(await outcomeOf(busy('7')), retry(type, true, 7000));
    assert.deepEqual(await outcomeOf(busy('nonsense')), retry(type, true, null));
    assert.deepEqual(await outcomeOf(busy('999999999')), retry(type, true, 3_600_000));
    const outcome = await outcomeOf(busy(new Date(Date.now() + 60_000).toUTCString()));
    const waitMs = outcome?.kind === 'retry' ? outcome.retryAfterMs : null;
    assert.ok(waitMs !== null && waitMs > 50_000 && waitMs <= 60_000, String(waitMs));
  });

  test('a redirect is not followed', async () => {
    const before = server.requests.length;
    const outcome = await outcomeOf((response) => response.writeHead(302, { location: `${url}/elsewhere` }).end('{}'));
    assert.equal(outcome?.kind, 'retry');
    assert.ok(!server.requests.slice(before).some(({ path }) => path.includes('elsewhere')));
  });

  test('413 without a body asks for halves', async () => {
    const outcome = await outcomeOf((response) => response.writeHead(413).end());
    assert.deepEqual(outcome, { kind: 'split', errorType: 'request_too_large' });
  });

  test('a gateway that fails is asked once, not again behind our back', async () => {
    const before = server.requests.length;
    assert.deepEqual(await outcomeOf((response) => response.writeHead(503).end('')), retry('http_503'));
    assert.equal(server.requests.slice(before).filter(({ path }) => path.includes('_bulk')).length, 1);
  });

  test('an index that cannot be made ready is what its answer says', async () => {
    const cases: [number, string, Outcome][] = [
      [503, '{}', retry('http_503')],
      [429, '{}', retry('http_429', true)],
      [401, '{"error":{"type":"security_exception"}}', { kind: 'hold', scope: 'all', errorType: 'security_exception' }],
    ];
    for (const [status, body, outcome] of cases) {
      server.other = (_path, response) => {
        response.writeHead(status).end(body);
        return true;
      };
      assert.deepEqual(await outcomeOf(() => assert.fail('nothing may be written')), outcome);
    }
    server.other = null;
  });
});

test('a request is plain NDJSON with versions, without compression, for servers of any major', async () => {
  await outcomeOf((response) => response.end('{}'));
  const { path, headers, body } =
    server.requests.findLast((request) => request.path.includes('/_bulk')) ?? assert.fail();
  assert.match(path, /^\/sluice-test-[^/]+\/_bulk\?/);
  assert.equal(headers['content-type'], 'application/x-ndjson');
  assert.equal(headers.accept, 'application/json');
  assert.equal(headers['accept-encoding'], undefined);
  assert.deepEqual(body.split('\n'), [
    '{"index":{"_id":"a","version":1,"version_type":"external_gte"}}',
    '{"n":1}',
    '{"delete":{"_id":"b","version":2,"version_type":"external_gte"}}',
    '',
  ]);
});

test('an index name that would mean another index is held and never sent', async () => {
  const before = server.requests.length;
  for (const index of ['*', 'a,b', '<x-{now/d}>', '_all', '-a', 'other:a', '.hidden', 'a/b', '', '..']) {
    const [outcome] = await write(sink, [upsertOf({ ...freshIndexTable(), index }, 'a', 1)]);
    assert.deepEqual(outcome, { kind: 'hold', scope: 'index', errorType: 'invalid_index_name_exception' }, index);
  }
  assert.equal(server.requests.length, before);
});

test('versions that are not all known are an error, never null', async () => {
  const table = freshIndexTable();
  const bodies: [number, string][] = [
    [200, '{"docs":[{"found":true,"_version":1}]}'],
    [200, '{"docs":[{"found":true,"_version":1},{"error":{"type":"no_shard_available_action_exception"}}]}'],
    [200, '{"docs":[{"found":true,"_version":1},{}]}'],
    [200, '[]'],
    [503, '{}'],
    [200, '{"do'],
  ];
  for (const [status, body] of bodies) {
    server.other = (_path, response) => {
      response.writeHead(status).end(body);
      return true;
    };
    await assert.rejects(versionsOf(sink, table, ['a', 'b']), { name: 'SluiceError', retriable: true }, body);
  }
  server.other = null;
});

test('an unfit answer to ping names its remedy, and no error holds a password', async () => {
  const careful = elasticsearchSink({ nodes: [url], auth: { username: 'sluice', password: 'hunter2' } });
  server.other = (_path, response) => {
    response.writeHead(401).end('{"error":{"type":"security_exception","reason":"hunter2"}}');
    return true;
  };
  const error = await careful.ping().then(
    () => assert.fail('ping must reject'),
    (error: unknown) => error as Error & { code: string; remedy: string },
  );
  server.other = null;
  assert.equal(error.code, 'E3002');
  assert.match(error.remedy, /index\.auth/);
  assert.doesNotMatch(JSON.stringify([error, error.message, error.stack, error.cause]), /hunter2/);
  assert.match(server.requests.at(-1)?.headers.authorization ?? '', /^Basic /);
  await careful.close();
});

test('a request that one node cannot take goes to another', async () => {
  const dead = new OddServer();
  const deadUrl = await dead.listen();
  dead.close();
  const two = elasticsearchSink({ nodes: [deadUrl, url] });
  server.bulk = (response) => response.end(JSON.stringify({ items: [{ index: { status: 201 } }] }));
  const table = freshIndexTable();
  for (let i = 1; i <= 4; i += 1)
    assert.deepEqual(await write(two, [upsertOf(table, 'a', i)]), [{ kind: 'done', conflict: false }]);
  await two.close();
});
