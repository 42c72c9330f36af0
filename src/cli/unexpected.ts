import { SluiceError } from '../pipeline/errors.ts';

/**
 * A failure nobody foresaw, as an error of ours. Of the one that was thrown only type, code and place are kept: its
 * message may quote SQL, keys or documents.
 */
export function unexpected(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const kind = error instanceof Error ? error.name : typeof error;
  const { code } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown };
  const place = error instanceof Error ? placeOf(error.stack ?? '') : null;
  const detail = [kind, typeof code === 'string' ? code : null, place === null ? null : `at ${place}`];
  return new SluiceError('E9001', 'unexpected failure', {
    detail: detail.filter((part) => part !== null).join(' '),
    remedy: 'Please report this line with what you did',
    cause: error,
  });
}

/** File and line of the innermost call, without the folders of this machine. */
function placeOf(stack: string): string | null {
  const frame = stack.split('\n').find((line) => /^\s+at .*:\d+:\d+\)?$/.test(line));
  return /([^/\\]+:\d+):\d+\)?$/.exec(frame ?? '')?.[1] ?? null;
}

/** 2 where only another command line or configuration helps, else 1. */
export function exitCodeOf({ code }: SluiceError): number {
  return code.startsWith('E1') ? 2 : 1;
}
