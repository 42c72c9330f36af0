import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  concat,
  ignoreElements,
  interval,
  map,
  mergeMap,
  type Observable,
  takeUntil,
  tap,
  throwError,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import type { Entry } from '../src/operators/fold.ts';
import type { DedupedBatch } from '../src/operators/latest-per-key.ts';
import type { Change } from '../src/pipeline/change.ts';
import type { ParkedKey } from '../src/pipeline/ports.ts';
import { changesOf } from './change-words.ts';
import { foldWords, index } from './fold-words.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

/** What the index and the store do with a call; when a story has no answers left they take everything at once. */
interface Answer {
  readonly afterMs: number;
  /** Which of the keys are taken, in turn. */
  readonly takes: readonly boolean[];
  readonly holdMs: number;
  readonly holdsAll: boolean;
}

const millis = fc.integer({ min: 0, max: 9 });
const stories = fc.record({
  batches: fc.array(
    fc.record({
      afterMs: millis,
      keys: fc.array(fc.constantFrom('a', '-b', 'c', 'logs.a', 'logs.d'), { maxLength: 4 }),
    }),
    { maxLength: 25 },
  ),
  answers: fc.array(
    fc.record({
      afterMs: millis,
      takes: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
      holdMs: fc.constantFrom(0, 0, 3, 20),
      holdsAll: fc.boolean(),
    }),
    { maxLength: 25 },
  ),
  parkings: fc.array(fc.record({ afterMs: millis, isTaken: fc.boolean() }), { maxLength: 8 }),
  slots: fc.integer({ min: 1, max: 3 }),
  documents: fc.integer({ min: 1, max: 3 }),
  maxKeys: fc.integer({ min: 1, max: 8 }),
  parkAfterWindows: fc.integer({ min: 1, max: 5 }),
  drainMs: fc.constantFrom(5, 30, Number.POSITIVE_INFINITY),
});
type Story = typeof stories extends fc.Arbitrary<infer S> ? S : never;

/** Words in the order of the log; a batch without keys is a record that asks nothing, and has its place too. */
function wordsOfBatches(batches: Story['batches']): { afterMs: number; words: string }[] {
  let version = 0;
  return batches.map(({ afterMs, keys }) => {
    if (keys.length === 0) version += 1;
    const words = keys.map((key) => {
      version += 1;
      return `${key}${version}`;
    });
    return { afterMs, words: words.join(' ') };
  });
}

const nameOf = ({ table, key }: Change): string => `${table.name}.${key}`;

/** Plays a story to its end and returns how it went; throws at the first moment at which a promise is broken. */
function play(story: Story): { parked: number; givenBack: number } {
  const scheduler = new VirtualTimeScheduler(undefined, 10_000);
  const log = wordLog();
  const batches = wordsOfBatches(story.batches);
  const changes = batches.flatMap(({ words }) => changesOf(words));
  const [answers, parkings] = [[...story.answers], [...story.parkings]];
  /** The newest version of each key that the index or the store holds. */
  const durable = new Map<string, number>();
  const seen = { parked: 0, givenBack: 0 };
  const keep = ({ change }: Entry | ParkedKey): void => {
    assert.ok(changes.some((one) => nameOf(one) === nameOf(change) && one.version === change.version));
    durable.set(nameOf(change), Math.max(durable.get(nameOf(change)) ?? 0, change.version));
  };
  const checkPosition = (): void => {
    for (const change of changes) {
      if (change.offset >= log.log.settled) break;
      assert.ok((durable.get(nameOf(change)) ?? 0) >= change.version, `${nameOf(change)}${change.version} was passed`);
    }
  };

  const answerTo = new Map<DedupedBatch, Answer>();
  const answer = (batch: DedupedBatch): Observable<unknown> => {
    const next = answers.shift() ?? { afterMs: 0, takes: [true], holdMs: 0, holdsAll: false };
    answerTo.set(batch, next);
    return timer(next.afterMs, scheduler);
  };
  const takes = (batch: DedupedBatch, entry: Entry): boolean => {
    const { takes: pattern, holdMs, holdsAll } = answerTo.get(batch) as Answer;
    if (holdMs > 0) batch.hold(holdsAll ? null : batch.table, holdMs);
    const isTaken = pattern[batch.entries.indexOf(entry) % pattern.length] === true;
    if (isTaken) keep(entry);
    else seen.givenBack += 1;
    return isTaken;
  };
  const park = (keys: readonly ParkedKey[]): Observable<unknown> => {
    const { afterMs, isTaken } = parkings.shift() ?? { afterMs: 0, isTaken: true };
    const names = keys.map(({ change }) => nameOf(change));
    assert.equal(new Set(names).size, names.length, `${names} are parked in one call`);
    const done = timer(afterMs, scheduler);
    if (!isTaken) return done.pipe(mergeMap(() => throwError(() => new Error('not connected'))));
    seen.parked += keys.length;
    return done.pipe(tap(() => keys.forEach(keep)));
  };

  let end = 'still open';
  const { maxKeys, parkAfterWindows, drainMs } = story;
  const records = concat(
    ...batches.map(({ afterMs, words }) => timer(afterMs, scheduler).pipe(map(() => words))),
    timer(3, scheduler).pipe(ignoreElements()),
  );
  const folded = records.pipe(
    foldWords({
      ...{ scheduler, log, park, maxKeys, parkAfterWindows, drainMs },
      into: index(story.slots, answer, takes),
      batch: { documents: story.documents, bytes: 1 << 20 },
    }),
  );
  folded.subscribe({
    complete: () => {
      end = 'complete';
    },
    error: (error) => {
      end = String(error);
    },
  });
  interval(1, scheduler)
    .pipe(takeUntil(timer(1000, scheduler)))
    .subscribe(checkPosition);
  scheduler.flush();

  assert.equal(end, 'complete');
  assert.equal(log.log.settled, log.log.read);
  checkPosition();
  assert.deepEqual(log.inFlight, roomyInFlight());
  return seen;
}

test('whatever index and store answer, every change is settled or parked once, and the position never runs ahead', () => {
  const seen = { parked: 0, givenBack: 0 };
  fc.assert(
    fc.property(stories, (story) => {
      const { parked, givenBack } = play(story);
      seen.parked += parked;
      seen.givenBack += givenBack;
    }),
    { numRuns: 500 },
  );
  assert.ok(seen.parked > 500 && seen.givenBack > 500, `too quiet: ${JSON.stringify(seen)}`);
});
