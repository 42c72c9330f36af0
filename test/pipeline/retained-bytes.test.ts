import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Subject } from 'rxjs';
import { defaultFormat } from '../../bench/default-format.ts';
import { makeLoad } from '../../bench/load.ts';
import { latestPerKey } from '../../src/operators/latest-per-key.ts';
import { parseChanges } from '../../src/operators/parse-changes.ts';
import { type RecordBatch, recordsSize } from '../../src/pipeline/change.ts';
import { InFlight, PartitionLog } from '../../src/pipeline/position.ts';
import { DEFAULT_OPTIONS } from '../../src/pipeline/stages.ts';
import { recordSlices } from '../../src/sources/record-slices.ts';
import { SteadyClock } from './steady-clock.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What an open window holds. */
interface Held {
  readonly keys: number;
  /** Bytes that a full collection leaves, on the heap and beside it. */
  readonly retained: number;
  /** Bytes that the in-flight limit was charged. */
  readonly accounted: number;
}

/** Documents of about 290 bytes, not all of them Latin. Entry, ticket and place in the index take the rest. */
const MOST_BYTES_A_KEY = 720;

/** How far the truth may be above what is charged: 0.93 and 0.97 were seen, and what keys take grows in steps. */
const MOST_OF_ACCOUNTED = 1.05;

const isWithinBounds = ({ accounted, keys, retained }: Held): boolean =>
  retained / keys <= MOST_BYTES_A_KEY && retained / accounted <= MOST_OF_ACCOUNTED;

const UNIQUE = { keys: 10_000, skew: 0 };
const ZIPF = { keys: 20_000, skew: 1.1 };
/** What tables, templates and compiled code take is there after so many changes, and is not weighed. */
const FIRST = 500;

/** Feeds 10,000 changes through parse and fold and weighs what the open window holds. `keep` is shown every batch. */
async function weigh(draw: typeof UNIQUE, keep: (batch: RecordBatch) => void = () => undefined): Promise<Held> {
  const inFlight = new InFlight({ bytes: 128 << 20, changes: 500_000 });
  const common = { inFlight, report: () => undefined, scheduler: new SteadyClock() };
  const refuse = (): never => {
    throw new Error('a change was parked or rejected');
  };
  const { batch, drainMs, window } = DEFAULT_OPTIONS;
  const records = new Subject<RecordBatch>();
  const due = records.pipe(
    parseChanges({ ...common, format: defaultFormat(1).format, writeLetters: refuse }),
    latestPerKey({ ...common, ...window, windowMs: window.ms, batch, park: refuse, drainMs }),
  );
  const subscription = due.subscribe(() => assert.fail('the window closed'));
  const log = new PartitionLog('costs', 0, 0, inFlight);
  // The load is made in here and its buffers, of a megabyte as those of a fetch, are gone afterwards: unless a part is kept.
  const feed = (firstOffset: number, nextOffset: number): void => {
    const load = makeLoad({ ...draw, name: 'costs', rows: 10_000, rowsPerMessage: 1, partitions: 1, seed: 1 });
    const values = load.partitions[0]?.slice(firstOffset, nextOffset) ?? [];
    const fetched = values.map((value, at) => ({ offset: firstOffset + at, timestampMs: 0, key: null, value }));
    for (const slice of recordSlices(fetched, { firstOffset, nextOffset }, { epochAt: () => 0 })) {
      const ticket = log.admit(slice.firstOffset, slice.nextOffset, null);
      inFlight.add(recordsSize(slice.records), slice.records.length);
      const one = { topic: 'costs', partition: 0, epoch: 0, records: slice.records, ticket };
      keep(one);
      records.next(one);
    }
  };
  feed(0, FIRST);
  const before = { keys: inFlight.changes, accounted: inFlight.bytes, retained: await liveBytes() };
  feed(FIRST, 10_000);
  const retained = (await liveBytes()) - before.retained;
  subscription.unsubscribe();
  return { keys: inFlight.changes - before.keys, accounted: inFlight.bytes - before.accounted, retained };
}

async function liveBytes(): Promise<number> {
  // What the first collection finalizes only the next one frees.
  for (let pass = 0; pass < 3; pass += 1) {
    await turn();
    collectGarbage();
  }
  const { external, heapUsed } = process.memoryUsage();
  return heapUsed + external;
}

test('a key held in the window retains what it is charged, and nothing of the fetch it came in', async () => {
  const held = await weigh(UNIQUE);
  assert.equal(held.keys, 10_000 - FIRST);
  assert.ok(isWithinBounds(held), JSON.stringify(held));
});

test('changes that a newer one of their key has replaced retain nothing', async () => {
  const held = await weigh(ZIPF);
  assert.ok(held.keys < 2500);
  assert.ok(isWithinBounds(held), JSON.stringify(held));
});

test('the bounds refuse a window that keeps records', async () => {
  for (const draw of [UNIQUE, ZIPF]) {
    const kept: RecordBatch[] = [];
    const held = await weigh(draw, (batch) => kept.push(batch));
    assert.equal(kept.length, 20);
    assert.ok(!isWithinBounds(held), JSON.stringify(held));
  }
});
