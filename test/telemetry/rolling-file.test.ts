import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { RollingFile } from '../../src/cli/rolling-file.ts';

const DAY_MS = 86_400_000;
const START = Date.UTC(2030, 0, 1, 12);

interface Stage {
  readonly folder: string;
  readonly clock: { ms: number };
  open(more?: Partial<ConstructorParameters<typeof RollingFile>[0]>): RollingFile;
  names(): string[];
}

function staged(use: (stage: Stage) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
  const clock = { ms: START };
  const path = join(folder, 'logs', 'sluice.log');
  const limits = { maxBytes: 1000, keepDays: 30, maxTotalBytes: 10_000 };
  try {
    use({
      folder: join(folder, 'logs'),
      clock,
      open: (more) => new RollingFile({ path, ...limits, now: () => clock.ms, ...more }),
      names: () => readdirSync(join(folder, 'logs')).sort(),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const line = (bytes: number): string => `${'x'.repeat(bytes - 1)}\n`;

test('a file is rolled at the end of its day', () => {
  staged(({ clock, folder, names, open }) => {
    const file = open();
    file.write('first\n');
    clock.ms += DAY_MS;
    file.write('second\n');
    file.close();
    assert.deepEqual(names(), ['sluice-2030-01-01.1.log', 'sluice.log']);
    assert.equal(readFileSync(join(folder, 'sluice-2030-01-01.1.log'), 'utf8'), 'first\n');
    assert.equal(readFileSync(join(folder, 'sluice.log'), 'utf8'), 'second\n');
  });
});

test('a file is rolled before it would exceed its size, and a longer line has a file of its own', () => {
  staged(({ folder, names, open }) => {
    const file = open();
    for (let i = 0; i < 5; i += 1) file.write(line(400));
    file.write(line(3000));
    file.write(line(10));
    file.close();
    assert.deepEqual(
      names().map((name) => statSync(join(folder, name)).size),
      [800, 800, 400, 3000, 10],
    );
    assert.equal(file.lost, 0);
  });
});

test('files leave after their days, and the oldest when all together grow too large', () => {
  staged(({ clock, names, open }) => {
    const file = open();
    for (let day = 0; day < 40; day += 1) {
      file.write(line(100));
      clock.ms += DAY_MS;
    }
    file.write(line(100));
    assert.equal(names().length, 31, 'the open file and those of thirty days');
    assert.ok(names().includes('sluice-2030-01-11.1.log'));
    assert.ok(!names().includes('sluice-2030-01-10.1.log'));
    for (let i = 0; i < 30; i += 1) file.write(line(900));
    file.close();
    assert.equal(names().filter((name) => name.startsWith('sluice-2030-02-10.')).length, 10);
    assert.ok(!names().includes('sluice-2030-02-10.1.log'), 'the oldest of a day leaves first');
  });
});

test('the limits hold after every line, whatever is written and however time goes', () => {
  const step = fc.record({ bytes: fc.integer({ min: 1, max: 300 }), hours: fc.integer({ min: 0, max: 30 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 5 }), (steps, restarts) => {
      staged(({ clock, folder, names, open }) => {
        let file = open({ keepDays: 3, maxTotalBytes: 2000, maxBytes: 400 });
        for (const [i, { bytes, hours }] of steps.entries()) {
          clock.ms += hours * 3_600_000;
          if (restarts > 0 && i % (restarts + 1) === 0) {
            file.close();
            file = open({ keepDays: 3, maxTotalBytes: 2000, maxBytes: 400 });
          }
          file.write(line(bytes));
          const sizes = names().map((name) => statSync(join(folder, name)).size);
          assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 2000);
          assert.ok(sizes.every((size) => size <= 400));
        }
        file.close();
      });
    }),
    { numRuns: 40 },
  );
});

test('a file left by an earlier run is of the day it was written', () => {
  staged(({ clock, folder, names, open }) => {
    const before = open();
    before.write('old\n');
    before.close();
    utimesSync(join(folder, 'sluice.log'), START / 1000, START / 1000);
    clock.ms += 3 * DAY_MS;
    const file = open();
    file.write('new\n');
    file.close();
    assert.deepEqual(names(), ['sluice-2030-01-01.1.log', 'sluice.log']);
  });
});

test('nothing but its own rolled files is ever removed', () => {
  staged(({ clock, folder, names, open }) => {
    const file = open({ keepDays: 1, maxTotalBytes: 1000 });
    file.write('x\n');
    const others = [
      'sluice-2001-01-01.log',
      'sluice-notes.log',
      'other-2001-01-01.1.log',
      'sluice-2001-01-01.1.log.bak',
    ];
    for (const name of others) writeFileSync(join(folder, name), line(5000));
    writeFileSync(join(folder, 'sluice-2001-01-01.1.log'), 'x');
    clock.ms += DAY_MS;
    file.write('y\n');
    file.close();
    for (const name of others) assert.ok(existsSync(join(folder, name)), name);
    assert.ok(!names().includes('sluice-2001-01-01.1.log'));
  });
});

test('a place that takes nothing costs lines, not the service', () => {
  staged(({ open, folder }) => {
    open().close();
    const file = new RollingFile({ path: '/dev/null/sluice.log', maxBytes: 10, keepDays: 1, maxTotalBytes: 10 });
    file.write('x\n');
    assert.equal(file.lost, 1);
    assert.ok(!existsSync(join(folder, 'x')));
  });
});
