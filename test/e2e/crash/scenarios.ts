import assert from 'node:assert/strict';
import { ElasticsearchReader } from '../../support/elasticsearch-reader.ts';
import { eventually } from '../../support/eventually.ts';
import { expectConverged } from '../../support/expect-converged.ts';
import type { CrashCell } from './crash-cell.ts';

/** Kills an instance at the cell's point with changes of every kind under way, lets it or another go on, and compares. */
export type Scenario = (cell: CrashCell) => Promise<void>;

const SETUP = 40;
const UNDER_WAY = 80;
const LONG_NOTE = 40_000;

/** Writes inserts, updates, deletes and key changes in one go. */
async function writeChanges({ writer }: CrashCell): Promise<void> {
  const before = writer.changes.length;
  await writer.write(UNDER_WAY);
  const kinds = new Set(writer.changes.slice(before).map(({ op, operation }) => `${operation} ${op}`));
  assert.deepEqual([...kinds].sort(), ['DELETE delete', 'INSERT upsert', 'UPDATE delete', 'UPDATE upsert']);
}

/** An instance that is armed and has settled a first load; with two, the other settled it and both have partitions. */
async function armed(cell: CrashCell, hits: { alone: number; joined: number }) {
  if (cell.instances === 1) {
    const own = await cell.startArmed(hits.alone);
    await cell.writer.write(SETUP);
    await cell.settled();
    return own;
  }
  await cell.start();
  await cell.writer.write(SETUP);
  await cell.settled();
  const own = await cell.startArmed(hits.joined);
  await cell.bothAssigned();
  return own;
}

/** After the kill: with one instance it is started again, with two the other takes over. */
async function goOn(cell: CrashCell): Promise<void> {
  if (cell.instances === 1) await cell.start();
}

/** Killed while changes go through; `hits` of the point come before that. */
export const changes =
  (hits = { alone: 2, joined: 1 }): Scenario =>
  async (cell) => {
    const own = await armed(cell, hits);
    await writeChanges(cell);
    await cell.died(own);
    await goOn(cell);
    await expectConverged(cell.deployment);
  };

/** Killed by what only the first start of a deployment does. */
export const firstStart: Scenario = async (cell) => {
  await writeChanges(cell);
  await cell.died(await cell.spawnArmed());
  // With two, the second comes while the group still counts the dead one.
  await cell.start();
  await expectConverged(cell.deployment);
};

/** Killed while keys of a blocked index are parked. */
export const parking: Scenario = async (cell) => {
  const own = await armed(cell, { alone: 1, joined: 1 });
  await cell.blockIndex(true);
  await writeChanges(cell);
  await cell.died(own);
  await cell.blockIndex(false);
  await goOn(cell);
  await expectConverged(cell.deployment);
};

/** Killed while parked keys are taken up again. */
export const recovery: Scenario = async (cell) => {
  const first = await cell.start();
  await cell.writer.write(SETUP);
  await cell.settled();
  await cell.blockIndex(true);
  await writeChanges(cell);
  await cell.settled();
  const [parked] = await cell.sql<{ count: number }>('SELECT COUNT(*) AS count FROM parked_keys');
  assert.ok((parked?.count ?? 0) > 0, 'keys are parked');
  await cell.stop(first);
  await cell.blockIndex(false);
  await cell.died(await cell.spawnArmed());
  // With two, the second comes while the group still counts the dead one: before, it might have taken up all keys itself.
  await cell.start();
  await expectConverged(cell.deployment);
};

/** Killed while a document that the index refuses becomes a letter. */
export const lettering: Scenario = async (cell) => {
  await cell.createNarrowIndex();
  const own = await armed(cell, { alone: 1, joined: 1 });
  const refused = onePerPartition(cell);
  for (const id of refused) await cell.writer.writeNote(id, LONG_NOTE);
  await cell.died(own);
  await goOn(cell);
  await openLetters(cell, refused);
  for (const id of refused) await cell.writer.writeNote(id, 40);
  await expectConverged(cell.deployment, { mayLettersBeClosed: true });
};

/** Killed while a newer change of its key closes a letter. */
export const closing: Scenario = async (cell) => {
  const { first, refused } = await withLetters(cell);
  if (cell.instances === 1) await cell.stop(first);
  const own = await cell.startArmed(1);
  if (cell.instances === 2) await cell.bothAssigned();
  for (const id of refused) await cell.writer.writeNote(id, 40);
  await cell.died(own);
  await goOn(cell);
  await expectConverged(cell.deployment, { mayLettersBeClosed: true });
};

/** Killed while letters are sent again. */
export const redriving: Scenario = async (cell) => {
  const { first } = await withLetters(cell);
  await cell.stop(first);
  await cell.admitLongNotes();
  const redrive = () => cell.sql("UPDATE dead_letters SET state = 'redrive' WHERE state = 'open'");
  await redrive();
  const own = await cell.spawnArmed();
  await cell.died(own);
  await cell.start();
  // A letter that was put back to open is not sent again by itself: its operator asks once more.
  await eventually(
    'every letter is closed',
    async () => {
      await redrive();
      const [left] = await cell.sql<{ count: number }>(
        "SELECT COUNT(*) AS count FROM dead_letters WHERE state <> 'closed'",
      );
      return left?.count === 0;
    },
    { everyMs: 2000, withinMs: 60_000 },
  );
  await expectConverged(cell.deployment, { mayLettersBeClosed: true });
};

/** Killed while what the journal missed is listed. */
export const gap: Scenario = async (cell) => {
  const own = await armed(cell, { alone: 1, joined: 1 });
  await cell.hideJournal(true);
  await writeChanges(cell);
  await indexed(cell);
  await cell.hideJournal(false);
  await cell.died(own);
  await goOn(cell);
  await expectConverged(cell.deployment, { isJournalWhole: false, mayGapsOverlap: true });
};

/** Killed while the deletes of an assignment are checked. */
export const deleteCheck: Scenario = async (cell) => {
  const first = await cell.start();
  await writeChanges(cell);
  await cell.settled();
  if (cell.instances === 1) await cell.stop(first);
  const own = await cell.spawnArmed();
  await cell.died(own);
  await goOn(cell);
  await writeChanges(cell);
  await expectConverged(cell.deployment);
};

/** An instance that has settled a first load, and a letter in each partition. */
async function withLetters(cell: CrashCell) {
  await cell.createNarrowIndex();
  const first = await cell.start();
  await cell.writer.write(SETUP);
  await cell.settled();
  const refused = onePerPartition(cell);
  for (const id of refused) await cell.writer.writeNote(id, LONG_NOTE);
  await openLetters(cell, refused);
  await cell.settled();
  return { first, refused };
}

/** A row that is there of each partition. */
function onePerPartition({ writer }: CrashCell): number[] {
  return writer.ends.map((_, partition) => {
    const id = writer.alive.find((one) => writer.expected.get(String(one))?.partition === partition);
    assert.ok(id !== undefined, `partition ${partition} has a row`);
    return id;
  });
}

async function openLetters(cell: CrashCell, ids: readonly number[]): Promise<void> {
  await eventually('the letters are there', async () => {
    const rows = await cell.sql<{ key: string }>(
      "SELECT CONVERT(primary_key USING utf8mb4) AS `key` FROM dead_letters WHERE state = 'open'",
    );
    assert.deepEqual(rows.map(({ key }) => Number(key)).sort(), [...ids].sort());
    return true;
  });
}

/** Waits until the index holds what was written, whatever the positions are. */
async function indexed({ deployment, writer }: CrashCell): Promise<void> {
  const reader = new ElasticsearchReader(deployment.elasticsearch.url);
  const expected = [...writer.expected].filter(([, { document }]) => document !== null);
  await eventually('all is indexed', async () => {
    const found = await reader.versions(writer.index);
    assert.deepEqual([...found].sort(), expected.map(([key, { version }]): [string, number] => [key, version]).sort());
    return true;
  });
}
