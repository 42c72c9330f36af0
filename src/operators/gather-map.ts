import { defer, Observable, type ObservableInput, type OperatorFunction, Subscription } from 'rxjs';
import type { ChangeBatch } from '../pipeline/change.ts';

export interface GatherMapOptions<T> {
  /** Values of one lane go together and in order, never two groups of them at a time. One lane for all by default. */
  readonly laneOf?: (value: T) => string;
  /** How much of a group a value takes up. */
  readonly weightOf: (value: T) => number;
  /** Weight of a group at most; a value that is heavier goes alone. */
  readonly maxWeight: number;
  /** Groups under way at most, each of another lane. 1 by default. */
  readonly concurrency?: number;
}

/** Weighs a batch by the part of a group's limits that it takes up: a group that weighs 1 at most keeps to both. */
export function shareOf(limit: { readonly changes: number; readonly bytes: number }): (batch: ChangeBatch) => number {
  return ({ load }) => Math.max(load.changes / limit.changes, load.bytes / limit.bytes);
}

/**
 * Like mergeMap, of groups: what comes while its lane is busy, or while no slot is free, waits and goes together into the
 * next group of the lane. The lane whose first value has waited longest is next.
 *
 * Emits what the projections emit. Errors pass at once. What waits is unbounded; who feeds it must hold back.
 */
export function gatherMap<T, R>(
  project: (group: readonly T[]) => ObservableInput<R>,
  { laneOf = () => '', weightOf, maxWeight, concurrency = 1 }: GatherMapOptions<T>,
): OperatorFunction<T, R> {
  return (source) =>
    new Observable((subscriber) => {
      // In the order of their first values; a lane that is busy is in `busy` too and keeps its place.
      const waiting = new Map<string, T[]>();
      const busy = new Set<string>();
      const teardown = new Subscription();
      let isStarting = false;
      let isComplete = false;

      const takeGroup = (lane: string, values: T[]): readonly T[] => {
        let weight = 0;
        const end = values.findIndex((value, index) => {
          weight += weightOf(value);
          return index > 0 && weight > maxWeight;
        });
        waiting.delete(lane);
        if (end === -1) return values;
        waiting.set(lane, values.slice(end)); // behind the others
        return values.slice(0, end);
      };
      const start = (lane: string, group: readonly T[]): void => {
        busy.add(lane);
        const under = defer(() => project(group)).subscribe({
          next: (value) => subscriber.next(value),
          error: (error) => subscriber.error(error),
          complete: () => {
            busy.delete(lane);
            startWaiting();
          },
        });
        if (!under.closed) teardown.add(under);
      };
      const startWaiting = (): void => {
        if (isStarting) return; // a group that ended at once: the loop below goes on
        isStarting = true;
        while (!subscriber.closed && busy.size < concurrency) {
          const next = [...waiting].find(([lane]) => !busy.has(lane));
          if (next === undefined) break;
          start(next[0], takeGroup(...next));
        }
        isStarting = false;
        if (isComplete && busy.size === 0 && waiting.size === 0) subscriber.complete();
      };

      teardown.add(
        source.subscribe({
          next: (value) => {
            const lane = laneOf(value);
            const values = waiting.get(lane);
            if (values === undefined) waiting.set(lane, [value]);
            else values.push(value);
            startWaiting();
          },
          error: (error) => subscriber.error(error),
          complete: () => {
            isComplete = true;
            startWaiting();
          },
        }),
      );
      return teardown;
    });
}
