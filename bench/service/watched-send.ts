import { versionOf } from '../../src/pipeline/change.ts';
import type { LiveTopic } from './live-topic.ts';
import type { LoadRow } from './load-rows.ts';
import { dueMs } from './paced.ts';
import type { VisibilityProbe } from './visibility-probe.ts';

/** Rows a second whose visibility is watched: enough for a percentile, few enough not to be a load of their own. */
export const WATCHED_PER_SECOND = 10;

interface WatchedSendOptions {
  readonly topic: LiveTopic;
  readonly rows: readonly LoadRow[];
  readonly probe: VisibilityProbe;
  readonly rate: number;
  /** When row 0 was due. */
  readonly startMs: number;
}

/** Produces rows and has the probe wait for some of them, each from the moment at which it was due, however late it is. */
export function watchedSend({ probe, rate, rows, startMs, topic }: WatchedSendOptions) {
  const stride = strideOf(rate);
  return async (from: number, to: number): Promise<void> => {
    for (let at = Math.ceil(from / stride) * stride; at < to; at += stride) {
      const { key, offset } = rows[at] as LoadRow;
      probe.watch(String(key), versionOf(0, offset), startMs + dueMs(at, rate));
    }
    await topic.send(rows.slice(from, to));
  };
}

/** Every how many-th row is watched. Prime to ten: a stride that keeps the last digit of the key may keep its partition. */
export function strideOf(rate: number): number {
  let stride = Math.max(1, Math.floor(rate / WATCHED_PER_SECOND));
  while (stride % 2 === 0 || stride % 5 === 0) stride += 1;
  return stride;
}
