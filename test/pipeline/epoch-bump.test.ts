import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { placeOf, versionOf } from '../../src/pipeline/change.ts';
import { type LogRange, nextRegistration } from '../../src/pipeline/epoch-bump.ts';
import { SluiceError } from '../../src/pipeline/errors.ts';
import type { TopicRegistration } from '../../src/pipeline/ports.ts';
import { partitionsAt, topicEpochs } from '../../src/sources/topic-epochs.ts';

const FIRST: TopicRegistration = { topic: 'shop', partitions: 2, epoch: 0, boundaries: [] };

const logs = (...ends: number[]): LogRange[] => ends.map((high, partition) => ({ partition, low: 0, high }));

const isRefusal =
  (fact: RegExp) =>
  (error: unknown): boolean =>
    error instanceof SluiceError && error.code === 'E2002' && fact.test(error.message) && error.remedy !== '';

/** How a topic grows between two bumps. */
const growth = fc.record({
  records: fc.array(fc.nat({ max: 20 }), { minLength: 8, maxLength: 8 }),
  added: fc.constantFrom(0, 0, 1, 2),
});

test('whatever a topic went through, no record changes its version, and a later one is above all before it', () => {
  fc.assert(
    fc.property(fc.array(growth, { minLength: 1, maxLength: 6 }), (history) => {
      let registration = FIRST;
      let ends = [0, 0];
      const versions = new Map<string, number>();
      for (const { added, records } of history) {
        const before = Math.max(0, ...versions.values());
        ends = ends.map((end, partition) => end + (records[partition] ?? 0));
        for (const [partition, end] of ends.entries()) {
          const epochAt = topicEpochs(registration, partition);
          for (let offset = 0; offset < end; offset += 1) {
            const version = versionOf(epochAt(offset), offset);
            const known = versions.get(`${partition}/${offset}`);
            if (known === undefined) {
              assert.ok(
                registration.epoch === 0 || version > before,
                `${partition}/${offset} is above every version before`,
              );
              versions.set(`${partition}/${offset}`, version);
            } else assert.equal(version, known, `${partition}/${offset} keeps its version`);
          }
        }
        ends = [...ends, ...Array.from({ length: added }, () => 0)];
        registration = nextRegistration(registration, logs(...ends), false);
        assert.equal(registration.partitions, ends.length);
      }
      assert.equal(registration.epoch, history.length);
    }),
  );
});

test('the epoch begins at the end of each log, and at the start of a partition that was added', () => {
  assert.deepEqual(nextRegistration(FIRST, logs(10, 20, 5), false), {
    topic: 'shop',
    partitions: 3,
    epoch: 1,
    boundaries: [
      { partition: 0, epoch: 1, fromOffset: 10, partitionsBefore: 2 },
      { partition: 1, epoch: 1, fromOffset: 20, partitionsBefore: 2 },
      { partition: 2, epoch: 1, fromOffset: 0, partitionsBefore: 2 },
    ],
  });
});

test('records of an epoch are of as many partitions as there were then', () => {
  const grown = nextRegistration(FIRST, logs(10, 20, 0), false);
  const again = nextRegistration(grown, logs(11, 20, 0, 0, 0), false);
  assert.deepEqual(
    [0, 1, 2].map((epoch) => partitionsAt(again, epoch)),
    [2, 3, 5],
  );
});

test('a topic that was made again is new from its first record on, with as many partitions as it has now', () => {
  const grown = nextRegistration(FIRST, logs(10, 20), false);
  const again = nextRegistration(grown, logs(3), true);
  assert.deepEqual(again, {
    topic: 'shop',
    partitions: 1,
    epoch: 2,
    boundaries: [{ partition: 0, epoch: 2, fromOffset: 0, partitionsBefore: 2 }],
  });
  const epochAt = topicEpochs(again, 0);
  assert.ok(versionOf(epochAt(0), 0) > versionOf(1, 1_000_000));
});

test('a topic with fewer partitions than before must have been made again', () => {
  assert.throws(() => nextRegistration(FIRST, logs(10), false), isRefusal(/1 partitions, 2 are registered/));
});

test('a log that ends below an epoch it holds, or below what was settled of it, must have been made again', () => {
  const grown = nextRegistration(FIRST, logs(10, 20), false);
  assert.throws(
    () => nextRegistration(grown, logs(10, 19), false),
    isRefusal(/partition 1 .* ends at 19, and was read up to 20/),
  );
  const positions = [{ partition: 0, settled: 500 }];
  assert.throws(() => nextRegistration(FIRST, logs(40, 0), false, positions), isRefusal(/read up to 500/));
  assert.equal(nextRegistration(FIRST, logs(500, 0), false, positions).epoch, 1);
  assert.equal(nextRegistration(grown, logs(1, 1), true, positions).epoch, 2);
});

test('the last epoch that a version has room for is used, and none after it', () => {
  const last = nextRegistration({ ...FIRST, epoch: 510 }, logs(1, 1), false);
  assert.equal(last.epoch, 511);
  const version = versionOf(511, 2 ** 44 - 2);
  assert.ok(Number.isSafeInteger(version));
  assert.deepEqual(placeOf(version), { epoch: 511, offset: 2 ** 44 - 2 });
  assert.throws(() => nextRegistration(last, logs(1, 1), false), isRefusal(/all 511 epochs/));
});
