import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { executeSql, type Mariadb, remove, startMariadb } from './stack.ts';

const started: Mariadb[] = [];

after(() => remove(started));

// A MariaDB that starts empties its directory of temporary files: in a shared one the installation of another
// server lost its tables half-way, and failed.
test('MariaDB servers that start side by side share no directory for temporary files', async () => {
  const starts = await Promise.allSettled([startMariadb(), startMariadb(), startMariadb()]);
  for (const start of starts) if (start.status === 'fulfilled') started.push(start.value);
  const refused = starts.flatMap((start) => (start.status === 'rejected' ? [String(start.reason)] : []));
  assert.deepEqual(refused, []);
  const directories = await Promise.all(started.map(({ spec }) => executeSql(spec, 'SELECT @@tmpdir')));
  assert.equal(new Set(directories).size, 3, directories.join());
});

// The signal is sent, and the sender goes on, before every thread of the other process stands: a statement sent
// right after it was still answered.
test('a paused server stands still with all its threads as soon as the pause is confirmed', async () => {
  const server = started[0] as Mariadb;
  for (let round = 0; round < 50; round++) {
    await server.pause();
    const threads = readdirSync(`/proc/${server.pid}/task`);
    const states = threads.map((thread) => readFileSync(`/proc/${server.pid}/task/${thread}/stat`, 'latin1'));
    server.resume();
    assert.ok(threads.length > 1);
    assert.deepEqual(
      states.filter((state) => !/\) T /.test(state)),
      [],
    );
  }
});
