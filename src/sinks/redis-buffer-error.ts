import { SluiceError } from '../pipeline/errors.ts';

/**
 * Turns whatever ioredis threw into E5001. The thrown error itself is dropped: it carries the command's arguments, which
 * are rows. What is told is its code: `ECONNREFUSED`, the first word of a Redis error (`OOM`, `READONLY`), or a kind.
 */
export function redisErrorOf(error: unknown, lastConnectionError: string | null): SluiceError {
  if (error instanceof SluiceError) return error;
  const code = codeOf(error);
  return new SluiceError('E5001', 'Redis does not take commands', {
    detail: code === 'not connected' ? (lastConnectionError ?? code) : code,
    remedy: REMEDIES[code] ?? 'Check buffer.url and that Redis runs; sluice goes on without its buffer meanwhile',
    retriable: true,
  });
}

const REMEDIES: Readonly<Record<string, string>> = {
  OOM: 'Raise maxmemory of Redis or shorten buffer.expirySeconds',
  NOAUTH: 'Set buffer.username and buffer.password',
  WRONGPASS: 'Check buffer.username and buffer.password',
  NOPERM: 'Grant the Redis user +eval +evalsha +getrange +set +unlink +get +dbsize +scan +info +ping on ~buffer:*',
};

/** A short word for an error of ioredis or Redis. Never its whole message. */
export function codeOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,40}$/.test(code)) return code;
  if (typeof message !== 'string') return 'unknown error';
  const word = /^[A-Z]{2,20}(?= )/.exec(message)?.[0];
  if (word !== undefined && word !== 'ERR') return word;
  if (/timed out|ETIMEDOUT/.test(message)) return 'timed out';
  if (/connection is closed|isn't (ready|writeable)|max retries|slots cache|ended/i.test(message))
    return 'not connected';
  return word === 'ERR' ? 'command refused' : 'connection failed';
}
