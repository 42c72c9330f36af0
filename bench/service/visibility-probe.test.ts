import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from './virtual-clock.ts';
import { INTERVAL_MS, VisibilityProbe } from './visibility-probe.ts';

/** A probe of documents that become visible, at a version, at a time. */
function probed(visible: Readonly<Record<string, readonly (readonly [atMs: number, version: number])[]>>) {
  const clock = new VirtualClock();
  const asked: string[][] = [];
  const look = async (ids: readonly string[]): Promise<ReadonlyMap<string, number>> => {
    asked.push([...ids]);
    const found = new Map<string, number>();
    for (const id of ids) {
      for (const [atMs, version] of visible[id] ?? []) if (atMs <= clock.now()) found.set(id, version);
    }
    return found;
  };
  return { asked, clock, probe: new VisibilityProbe(look, clock) };
}

test('a change is late from the time it was made to the answer that shows it, at most an interval too much', async () => {
  const { probe } = probed({ a: [[107, 5]], b: [[1000, 9]] });
  probe.watch('a', 5, 0);
  probe.watch('b', 8, 300);
  await probe.finish(5000);
  const [a, b] = probe.sightings;
  assert.deepEqual([a?.id, b?.id], ['a', 'b']);
  assert.ok(a && a.delayMs >= 107 && a.delayMs <= 107 + INTERVAL_MS, `${a?.delayMs}`);
  assert.ok(b && b.delayMs >= 700 && b.delayMs <= 700 + INTERVAL_MS, `${b?.delayMs}`);
});

test('an older version of the document does not count', async () => {
  const { probe } = probed({
    a: [
      [0, 4],
      [500, 5],
    ],
  });
  probe.watch('a', 5, 0);
  await probe.finish(5000);
  assert.ok((probe.sightings[0]?.delayMs ?? 0) >= 500);
});

test('what has been seen is not asked for again', async () => {
  const { asked, probe } = probed({ a: [[0, 1]], b: [[200, 1]] });
  probe.watch('a', 1, 0);
  probe.watch('b', 1, 0);
  await probe.finish(5000);
  assert.equal(asked.filter((ids) => ids.includes('a')).length, 1);
});

test('a change that does not come in time makes the run fail, as does an answer that fails', async () => {
  const { probe } = probed({ a: [[0, 1]] });
  probe.watch('a', 1, 0);
  probe.watch('b', 1, 0);
  await assert.rejects(probe.finish(1000), /1 changes were not visible/);

  const cut = new VisibilityProbe(() => Promise.reject(new Error('the connection was cut')), new VirtualClock());
  cut.watch('a', 1, 0);
  await assert.rejects(cut.finish(1000), /cut/);
});
