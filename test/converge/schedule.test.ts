import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Fault, linkFaults, nameOf, processFaults, SERVER_NAMES, seededRandom } from './schedule.ts';

const SESSION_MS = 6000;

function take(faults: Generator<Fault>, count: number): Fault[] {
  return Array.from({ length: count }, () => faults.next().value as Fault);
}

function planned(seed: number, count: number): Fault[] {
  const random = seededRandom(seed);
  return [...take(linkFaults(random), count), ...take(processFaults(random, SESSION_MS), count)];
}

test('the same seed plans the same faults, another one plans others', () => {
  assert.deepEqual(planned(7, 40), planned(7, 40));
  assert.notDeepEqual(planned(7, 40), planned(8, 40));
});

test('one deck of link faults holds every mode of every link, and one of process faults every kind', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const links = new Set(take(linkFaults(seededRandom(seed)), 28).map(nameOf));
      assert.equal(links.size, 28);
      const others = new Set(take(processFaults(seededRandom(seed), SESSION_MS), 14).map(nameOf));
      const servers = SERVER_NAMES.flatMap((name) => [`${name} restart`, `${name} freeze`]);
      assert.deepEqual(others, new Set(['SIGKILL', 'SIGSTOP', 'rolling restart', 'scale 1-3-1', ...servers]));
    }),
    { numRuns: 50 },
  );
});

test('every fault ends within seconds, and a paused instance outlasts its session', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      for (const fault of planned(seed, 60)) {
        assert.ok(fault.forMs >= 0 && fault.forMs <= SESSION_MS + 6000, nameOf(fault));
        if (fault.kind === 'pause') assert.ok(fault.forMs > SESSION_MS);
      }
    }),
    { numRuns: 50 },
  );
});
