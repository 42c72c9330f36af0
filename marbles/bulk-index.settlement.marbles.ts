import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  concat,
  defer,
  ignoreElements,
  interval,
  map,
  type Observable,
  takeUntil,
  tap,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import type { IndexedBatch } from '../src/operators/bulk-index.ts';
import type { Entry } from '../src/operators/fold.ts';
import type { Change } from '../src/pipeline/change.ts';
import type { IndexWrite, Outcome } from '../src/pipeline/ports.ts';
import { indexed, outcomesOf } from './bulk-index-words.ts';
import { changesOf } from './change-words.ts';
import { roomyInFlight, wordLog } from './word-log.ts';

const millis = fc.integer({ min: 0, max: 9 });
const words = fc.constantFrom(
  'done',
  'done',
  'newer',
  'retry',
  'busy',
  'wait5',
  'wait30',
  'hold',
  'hold-all',
  'split',
  'reject',
);

/** What comes, and what the index makes of each request: outcomes in turn, too few, or an error. */
const stories = fc.record({
  batches: fc.array(
    fc.record({
      afterMs: millis,
      keys: fc.array(fc.constantFrom('a', '-b', 'c', 'logs.a', 'logs.d'), { minLength: 1, maxLength: 4 }),
    }),
    { maxLength: 25 },
  ),
  answers: fc.array(
    fc.record({
      afterMs: millis,
      outcomes: fc.array(words, { minLength: 1, maxLength: 3 }),
      flaw: fc.constantFrom('none', 'none', 'none', 'short', 'errs', 'throws', 'empty'),
    }),
    { maxLength: 40 },
  ),
  slots: fc.integer({ min: 1, max: 4 }),
  documents: fc.integer({ min: 1, max: 4 }),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
});
type Story = typeof stories extends fc.Arbitrary<infer S> ? S : never;
type Answer = Story['answers'][number];

const TAKEN: Answer = { afterMs: 0, outcomes: ['done'], flaw: 'none' };

function answered(
  writes: readonly IndexWrite[],
  answer: Answer,
  scheduler: VirtualTimeScheduler,
): Observable<Outcome[]> {
  const { afterMs, flaw, outcomes } = answer;
  if (flaw === 'throws') throw new Error('a defect');
  const all = writes.flatMap((_, i) => outcomesOf(outcomes[i % outcomes.length] as string));
  return timer(afterMs, scheduler).pipe(
    map(() => {
      if (flaw === 'errs') throw new Error('no connection');
      return flaw === 'short' ? all.slice(1) : all;
    }),
    flaw === 'empty' ? ignoreElements() : tap(),
  );
}

/** Plays a story to its end; throws at the first moment at which a promise is broken. Returns what was seen on the way. */
function play(story: Story): { requests: number; rejected: number } {
  const scheduler = new VirtualTimeScheduler(undefined, 10_000);
  const log = wordLog();
  let version = 0;
  const batches = story.batches.map(({ afterMs, keys }) => {
    const named = keys.map((key) => {
      version += 1;
      return `${key}${version}`;
    });
    return { afterMs, words: named.join(' ') };
  });
  const changes = batches.flatMap((batch) => changesOf(batch.words));
  const answers = [...story.answers];
  const seen = { requests: 0, rejected: 0 };
  let inFlight = 0;
  /** Checked at the end: what is thrown in a call is an answer of the index. */
  const broken: string[] = [];
  const write = (writes: readonly IndexWrite[]): Observable<Outcome[]> => {
    seen.requests += 1;
    inFlight += 1;
    if (writes.length === 0 || writes.length > story.documents) broken.push(`${writes.length} documents`);
    if (new Set(writes.map(({ table }) => table)).size > 1) broken.push('several indexes');
    if (inFlight > story.slots) broken.push(`${inFlight} requests`);
    const over = (): void => {
      inFlight -= 1;
    };
    const answer = defer(() => answered(writes, answers.shift() ?? TAKEN, scheduler));
    return answer.pipe(tap({ complete: over, error: over }));
  };

  const nameOf = ({ table, key }: Change): string => `${table.name}.${key}`;
  const settledAt = new Map<string, number>();
  const ended = new Set<Entry>();
  const settle = ({ batch, delivered, rejected }: IndexedBatch): void => {
    const entries = [...delivered, ...rejected.map(({ entry }) => entry)];
    seen.rejected += rejected.length;
    for (const entry of entries) {
      assert.ok(!ended.has(entry), `${nameOf(entry.change)} was settled twice`);
      ended.add(entry);
      settledAt.set(nameOf(entry.change), Math.max(settledAt.get(nameOf(entry.change)) ?? 0, entry.change.version));
    }
    batch.settle(entries);
  };
  const checkPosition = (): void => {
    for (const change of changes) {
      if (change.offset >= log.log.settled) break;
      assert.ok((settledAt.get(nameOf(change)) ?? 0) >= change.version, `${nameOf(change)} was passed`);
    }
  };

  let end = 'still open';
  const records = concat(
    ...batches.map((batch) => timer(batch.afterMs, scheduler).pipe(map(() => batch.words))),
    timer(3, scheduler).pipe(ignoreElements()),
  );
  const { documents, maxAttempts, slots } = story;
  const window = { windowMs: 4, batch: { documents, bytes: 1 << 20 } };
  const backoff = { firstMs: 2, maxMs: 10, random: () => 0.5 };
  records.pipe(indexed({ scheduler, log, window, slots, maxAttempts, backoff, index: { write } })).subscribe({
    next: settle,
    complete: () => {
      end = 'complete';
    },
    error: (error) => {
      end = String(error);
    },
  });
  interval(1, scheduler)
    .pipe(takeUntil(timer(1500, scheduler)))
    .subscribe(checkPosition);
  scheduler.flush();

  assert.deepEqual(broken, []);
  assert.equal(end, 'complete');
  assert.equal(log.log.settled, log.log.read);
  checkPosition();
  assert.deepEqual(log.inFlight, roomyInFlight());
  return seen;
}

test('whatever the index answers, every change is settled once, and the position never runs ahead', () => {
  const seen = { requests: 0, rejected: 0 };
  fc.assert(
    fc.property(stories, (story) => {
      const { requests, rejected } = play(story);
      seen.requests += requests;
      seen.rejected += rejected;
    }),
    { numRuns: 500 },
  );
  assert.ok(seen.requests > 1000 && seen.rejected > 50, `too quiet: ${JSON.stringify(seen)}`);
});
