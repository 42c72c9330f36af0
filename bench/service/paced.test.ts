import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dueMs, paced, TICK_MS } from './paced.ts';
import { VirtualClock } from './virtual-clock.ts';
import { strideOf, WATCHED_PER_SECOND } from './watched-send.ts';

test('every row is handed over once, in order, never before it is due, and soon after it when sending is quick', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20_000 }),
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 0, max: 40 }),
      async (rate, count, sendMs) => {
        const clock = new VirtualClock();
        let next = 0;
        const send = async (from: number, to: number): Promise<void> => {
          assert.ok(from === next && to > from);
          assert.ok(dueMs(to - 1, rate) <= clock.now() + 1e-6, 'no row is early');
          assert.ok(
            clock.now() - dueMs(from, rate) <= sendMs + TICK_MS + 1e-6,
            'no row waits longer than a call and a tick',
          );
          next = to;
          await clock.pause(sendMs);
        };
        const { lateMs, sent } = await paced({ rate, count, clock, send });
        assert.deepEqual([sent, next], [count, count]);
        assert.ok(lateMs <= sendMs + TICK_MS + 1e-6);
      },
    ),
  );
});

test('a call that takes long makes the rows behind it late, and the pace tells so', async () => {
  const clock = new VirtualClock();
  const { lateMs } = await paced({
    rate: 100,
    count: 300,
    clock,
    send: async (from) => {
      if (from === 0) await clock.pause(2000);
    },
  });
  assert.ok(lateMs >= 1990 && lateMs <= 2000 + TICK_MS, `${lateMs}`);
});

test('a load that is over early says how many rows it had', async () => {
  const clock = new VirtualClock();
  const isOver = (): boolean => clock.now() >= 1000;
  const { sent } = await paced({ rate: 100, count: 10_000, clock, isOver, send: async () => {} });
  assert.ok(sent >= 100 - TICK_MS / 10 && sent <= 100, `${sent}`);
});

test('watched rows have every last digit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), (rate) => {
      const stride = strideOf(rate);
      assert.equal(new Set(Array.from({ length: 10 }, (_, at) => (at * stride) % 10)).size, 10);
      assert.ok(stride >= Math.floor(rate / WATCHED_PER_SECOND) && stride <= rate / WATCHED_PER_SECOND + 4);
    }),
  );
});
