import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { SluiceError } from './errors.ts';
import type { Health, Verdict } from './health.ts';

export interface HttpServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly registry: Pick<Registry, 'metrics' | 'contentType'>;
  readonly health: Pick<Health, 'live' | 'ready' | 'details'>;
}

export interface HttpServer {
  /** Resolves when it listens; rejects with SluiceError E1001 when it cannot. */
  start(): Promise<{ readonly port: number; close(): Promise<void> }>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';

/**
 * Serves `/metrics`, `/livez`, `/readyz` and `/health` (also `/healthz`), read-only. Scrapes that overlap share one
 * answer, and connections are few and short, so that probing cannot hold up the stream.
 */
export function httpServer({ health, host = '127.0.0.1', port, registry }: HttpServerOptions): HttpServer {
  let scrape: Promise<string> | null = null;
  const metrics = async (): Promise<Answer> => {
    scrape ??= registry.metrics().finally(() => {
      scrape = null;
    });
    return { status: 200, type: registry.contentType, text: await scrape };
  };
  const routes: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    '/metrics': metrics,
    '/livez': () => answerOf(health.live()),
    '/readyz': () => answerOf(health.ready()),
    '/health': () => answerOf(health.details()),
    '/healthz': () => answerOf(health.details()),
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split('?')[0] ?? '';
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return send(request, response, problem(404, 'there is no such page'));
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return send(request, response, problem(405, 'only GET and HEAD are served'));
    }
    try {
      send(request, response, await route());
    } catch {
      send(request, response, problem(500, 'the answer could not be made'));
    }
  };

  return {
    start: () =>
      new Promise((resolve, reject) => {
        const limits = { headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 5000, maxHeaderSize: 8192 };
        const server = createServer({ ...limits, connectionsCheckingInterval: 1000 }, (request, response) => {
          void serve(request, response);
        });
        server.maxConnections = 64;
        server.once('error', (error: NodeJS.ErrnoException) => reject(notListening(error, port)));
        server.listen(port, host, () => {
          const close = (): Promise<void> =>
            new Promise((closed) => {
              server.close(() => closed());
              server.closeAllConnections();
            });
          resolve({ port: (server.address() as AddressInfo).port, close });
        });
      }),
  };
}

function answerOf({ body, isOk }: Verdict): Answer {
  return { status: isOk ? 200 : 503, type: JSON_TYPE, text: `${JSON.stringify(body)}\n` };
}

function problem(status: number, error: string): Answer {
  return { status, type: JSON_TYPE, text: `${JSON.stringify({ error })}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, { status, text, type }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

function notListening(error: NodeJS.ErrnoException, port: number): SluiceError {
  return new SluiceError('E1001', `http.port ${port} cannot be listened on`, {
    detail: error.code ?? 'unknown',
    remedy: 'Choose another http.port or http.host, or set http.enabled to false',
  });
}
