import { Client, type ClientOptions, errors } from '@elastic/elasticsearch';
import { SluiceError } from '../pipeline/errors.ts';
import { ElasticsearchConnection } from './elasticsearch-connection.ts';

export interface ElasticsearchAuth {
  /** Base64 text as Elasticsearch hands it out. Either this or name and password. */
  readonly apiKey?: string;
  readonly username?: string;
  readonly password?: string;
}

export interface ElasticsearchTls {
  /** PEM text of the authorities to trust; the system's by default. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface ElasticsearchRequestOptions {
  /** `http(s)://host:port`, one a node. */
  readonly nodes: readonly string[];
  readonly auth?: ElasticsearchAuth;
  readonly tls?: ElasticsearchTls;
  readonly requestTimeoutMs: number;
}

/** What came back: an answer with a status, or none that can be read. */
export type Answer =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** Parsed JSON, or text when it is none. */
      readonly body: unknown;
      readonly retryAfterMs: number | null;
    }
  | { readonly kind: 'none'; readonly errorType: string };

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON as an object, or NDJSON as bytes. */
  readonly body?: object | Buffer;
}

/**
 * Sends requests by the official client with all its own policies off: it never waits and retries (with several nodes it
 * tries each once), never sniffs, follows no redirect and compresses nothing. Nothing here throws: errors of the client
 * carry the request's body, so they end here as a word.
 */
export class ElasticsearchRequests {
  private readonly client: Client;

  constructor(options: ElasticsearchRequestOptions) {
    this.client = new Client(clientOptions(options));
  }

  async ask({ method, path, query, body }: Request): Promise<Answer> {
    const isNdjson = Buffer.isBuffer(body);
    try {
      const { statusCode, body: answer } = await this.client.transport.request(
        {
          method,
          path,
          ...(query === undefined ? {} : { querystring: { ...query } }),
          ...(body === undefined ? {} : isNdjson ? { bulkBody: body } : { body }),
        },
        {
          meta: true,
          retryBackoff: () => 0,
          openTelemetry: { enabled: false },
          // Plain types instead of the client's versioned ones: so one client speaks to servers of several majors.
          headers: {
            accept: 'application/json',
            ...(body === undefined ? {} : { 'content-type': isNdjson ? 'application/x-ndjson' : 'application/json' }),
          },
        },
      );
      return { kind: 'response', status: statusCode, body: answer, retryAfterMs: null };
    } catch (error) {
      return answerOf(error);
    }
  }

  /** Lets requests in flight end. */
  close(): Promise<void> {
    return this.client.close();
  }
}

function clientOptions({ nodes, auth, tls, requestTimeoutMs }: ElasticsearchRequestOptions): ClientOptions {
  return {
    nodes: [...nodes],
    ...(auth?.apiKey === undefined ? {} : { auth: { apiKey: auth.apiKey } }),
    ...(auth?.username === undefined ? {} : { auth: { username: auth.username, password: auth.password ?? '' } }),
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    requestTimeout: requestTimeoutMs,
    maxRetries: nodes.length - 1,
    compression: false,
    sniffOnStart: false,
    sniffInterval: false,
    sniffOnConnectionFault: false,
    Connection: ElasticsearchConnection,
    // Shorter than a load balancer's idle limit, or it resets what we believe open.
    agent: { connections: 16, keepAliveTimeout: 50_000 },
    redaction: { type: 'replace' },
    enableMetaHeader: false,
  };
}

function answerOf(error: unknown): Answer {
  if (error instanceof errors.ResponseError) {
    return {
      kind: 'response',
      status: error.statusCode ?? 0,
      body: error.body,
      retryAfterMs: retryAfterOf(error.headers?.['retry-after']),
    };
  }
  if (error instanceof errors.TimeoutError) return { kind: 'none', errorType: 'timeout' };
  if (error instanceof errors.DeserializationError) return { kind: 'none', errorType: 'unreadable_answer' };
  if (error instanceof errors.ProductNotSupportedError) return { kind: 'none', errorType: 'not_elasticsearch' };
  if (error instanceof errors.RequestAbortedError) return { kind: 'none', errorType: 'answer_too_large' };
  if (error instanceof errors.ElasticsearchClientError) return { kind: 'none', errorType: 'connection_failed' };
  return { kind: 'none', errorType: 'unknown' };
}

/** `Retry-After` in milliseconds, from seconds or a date; null when absent or nonsense; an hour at most. */
function retryAfterOf(header: string | undefined): number | null {
  if (header === undefined) return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 3_600_000) : null;
}

/** `error.type` of an answer, or null when Elasticsearch did not write it (a proxy did). */
export function errorTypeOf(answer: Answer): string | null {
  if (answer.kind === 'none') return answer.errorType;
  const type = (answer.body as { error?: { type?: unknown } } | null)?.error?.type;
  return typeof type === 'string' ? type : null;
}

/** The error for callers that need an answer: E3001 when there was none, E3002 when it was a refusal. */
export function requestErrorOf(answer: Answer, what: string): SluiceError {
  const detail = errorTypeOf(answer) ?? (answer.kind === 'response' ? `HTTP ${answer.status}` : answer.errorType);
  const status = answer.kind === 'response' ? answer.status : 0;
  if (status === 401 || status === 403) {
    return new SluiceError('E3002', `Elasticsearch refuses ${what}`, {
      detail,
      remedy: 'Check index.auth; the role needs monitor on the cluster, and write, read and manage on the indices',
    });
  }
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return new SluiceError('E3002', `Elasticsearch refuses ${what}`, { detail });
  }
  return new SluiceError('E3001', `Elasticsearch does not answer ${what}`, {
    detail,
    remedy: 'Check index.nodes and that Elasticsearch runs',
    retriable: true,
  });
}
