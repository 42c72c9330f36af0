import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CRASH_POINTS } from '../../../src/pipeline/crash-points.ts';
import { killRunning } from '../../support/sluice-process.ts';
import { sharedStack } from '../stack.ts';
import { CrashCell, type Servers } from './crash-cell.ts';
import {
  changes,
  closing,
  deleteCheck,
  firstStart,
  gap,
  lettering,
  parking,
  recovery,
  redriving,
  type Scenario,
} from './scenarios.ts';

/** What brings a process to its calls. Every crash point has its call here, or the last test fails. */
const SCENARIO_OF: Readonly<Record<string, Scenario>> = {
  'source.records': changes(),
  'source.commit': changes(),
  'buffer.upsert': changes(),
  'buffer.remove': changes(),
  'index.write': changes(),
  'index.versions': deleteCheck,
  'store.register': firstStart,
  'store.pair': firstStart,
  'store.append': changes(),
  'store.recordGaps': gap,
  'store.park': parking,
  'store.parked': recovery,
  'store.unpark': recovery,
  'store.writeLetters': lettering,
  'store.closeLetters': closing,
  'store.redrives': redriving,
  'store.setLetterState': redriving,
  // One at the assignment and one for the first load come before.
  'store.savePositions': changes({ alone: 3, joined: 2 }),
  'store.deletesBetween': deleteCheck,
  'store.addMonitorRows': changes(),
};

/**
 * With one instance every point, with two each call once: what a second instance changes is who goes on, not what was left
 * behind. `SLUICE_TEST_CRASH=whole` takes every point with both.
 */
const CELLS = CRASH_POINTS.flatMap((point) => {
  const isOfTwo = process.env.SLUICE_TEST_CRASH === 'whole' || !/:(before|after)$/.test(point) || /^source/.test(point);
  return isOfTwo
    ? [
        { point, instances: 1 as const },
        { point, instances: 2 as const },
      ]
    : [{ point, instances: 1 as const }];
});

let servers: Servers;
const covered = new Set<string>();

before(async () => {
  servers = await sharedStack('kafka', 'redis', 'mariadb', 'elasticsearch');
});

after(killRunning);

describe('a process that is killed at any step loses nothing, and who goes on ends with what was written', {
  concurrency: 4,
}, () => {
  for (const { instances, point } of CELLS) {
    test(`${point} × insert, update, delete, key change × ${instances === 1 ? 'one instance' : 'two instances'}`, async (context) => {
      const scenario = SCENARIO_OF[point.slice(0, point.indexOf(':'))];
      assert.ok(scenario, `no scenario hits ${point}`);
      const cell = await CrashCell.open(point, instances, servers);
      try {
        await scenario(cell);
        covered.add(`${point} ${instances}`);
      } catch (error) {
        context.diagnostic(cell.lastWords());
        throw error;
      } finally {
        await cell.close();
      }
    });
  }
});

test('killed at every call of every port, who goes on ends with what was written', (context) => {
  const points = new Set([...covered].map((cell) => cell.split(' ')[0]));
  context.diagnostic(
    `crash points covered: ${points.size}/${CRASH_POINTS.length}, cells ${covered.size}/${CELLS.length}`,
  );
  assert.equal(covered.size, CELLS.length);
});
