import type { Readable } from 'node:stream';
import { type ConnectionRequestParams, errors, UndiciConnection } from '@elastic/elasticsearch';

type Options = Parameters<UndiciConnection['request']>[1];

/** An error body is read, an endless one is not. */
const MAX_RESPONSE_BYTES = 32 * 1024 * 1024;

/**
 * The client's own connection, but for reading the answer: at most 32 MiB, and whole before the request's time is up.
 *
 * The client has a `maxResponseSize`, but at an answer announced longer than it, it destroys a stream that nobody listens
 * to: an uncaught exception, the end of the process, at any proxy's pleasure (@elastic/transport 8.11). And its time-out
 * ends with the headers: a body that drips has none.
 */
export class ElasticsearchConnection extends UndiciConnection {
  override async request(params: ConnectionRequestParams, options: Options): Promise<never> {
    const { statusCode, headers, body } = await super.request(params, { ...options, asStream: true });
    const text = await textOf(body, options.timeout ?? this.timeout, headers['content-encoding']);
    // The overloads promise a stream to whoever asks for one; only the client calls this, and never does.
    return { statusCode, headers, body: text } as never;
  }
}

async function textOf(body: Readable, timeoutMs: number, encoding: string | undefined): Promise<string> {
  // Stays when the loop is gone: destroying emits once more.
  body.on('error', () => undefined);
  let failure: Error | null = null;
  const fail = (error: Error): void => {
    failure ??= error;
    body.destroy();
  };
  const timer = setTimeout(() => fail(new errors.TimeoutError('Request timed out')), timeoutMs);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // We never ask for compression, and what is unpacked would have no bound.
    if (encoding !== undefined && encoding !== 'identity') fail(new errors.ConnectionError('The answer is compressed'));
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > MAX_RESPONSE_BYTES) fail(new errors.RequestAbortedError('The answer is too large'));
      if (failure !== null) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw failure ?? new errors.ConnectionError((error as Error).message);
  } finally {
    clearTimeout(timer);
  }
  if (failure !== null) throw failure;
  return Buffer.concat(chunks).toString();
}
