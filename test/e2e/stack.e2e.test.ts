import assert from 'node:assert/strict';
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
