import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { canalMessage, type TestTable } from '../../support/canal-message.ts';
import { eventually } from '../../support/eventually.ts';
import { sluiceCommand } from '../../support/sluice-command.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { sharedStack } from '../stack.ts';
import { type Deployment, deployment } from './deployment.ts';

const ROWS = 20;
const REASON = 'document_parsing_exception';

let own: Deployment;
let parcels: TestTable;
let index: string;
let sluice: SluiceProcess;

before(async () => {
  own = await deployment('mapping', await sharedStack('kafka', 'redis', 'mariadb', 'elasticsearch'));
  const mysqlType = { id: 'bigint(20)', sent: 'varchar(40)' };
  parcels = { database: own.topic, table: 'parcels', mysqlType, pkNames: ['id'] };
  index = `${own.topic}_parcels`;
  // Somebody made the index and took the text for a date.
  await request('PUT', `/${index}`, { mappings: { properties: { id: { type: 'long' }, sent: { type: 'date' } } } });
  // In the log before the service starts, so that all of it is one batch.
  await send(Array.from({ length: ROWS }, (_, i) => [i + 1, i === 6 ? 'next week' : '2026-01-05']));
  sluice = await SluiceProcess.start({ ...own.config, window: { ms: 1000 } });
});

after(async () => {
  killRunning();
  for (const name of [index, `${index}-2`]) await own.reader.request('DELETE', `/${name}`);
  await own.remove();
});

test('one document against the mapping is dead-lettered with its reason, the others of its batch are indexed', async () => {
  await settled(ROWS);
  assert.deepEqual(await letters(), [
    { key: '7', state: 'open', version: 7, offset: 6, op: 'upsert', detail: `${REASON}: field sent of type date` },
  ]);
  const found = await own.reader.versions(index);
  assert.deepEqual(
    [...found].sort(([a], [b]) => Number(a) - Number(b)),
    Array.from({ length: ROWS }, (_, i): [string, number] => [`${i + 1}`, i + 1]).filter(([key]) => key !== '7'),
  );
  assert.equal(await sluice.metric('sluice_dead_lettered_total', REASON), 1);
  const shown = await sluiceCommand(own.config, 'dead-letters', 'list', '--state', 'open');
  assert.match(
    shown.stdout,
    new RegExp(`^\\d+  open  .*  ${parcels.database}\\.parcels  ${REASON}  ${own.topic}/0@6  `),
  );
  assert.doesNotMatch(sluice.output, /next week/, 'a row never reaches the log');
});

test('a newer version of the key closes its letter', async () => {
  await send([[5, 'some day']]);
  await settled(ROWS + 1);
  assert.deepEqual(await openVersions(), [7, ROWS + 1]);
  assert.equal((await own.reader.documents(index)).get('5')?.version, 5, 'the older document stays meanwhile');

  await send([[5, '2026-02-01']]);
  await eventually('the letter is closed', async () => String(await openVersions()) === '7');
  await settled(ROWS + 2);
  assert.deepEqual((await own.reader.documents(index)).get('5'), {
    version: ROWS + 2,
    source: '{"id":5,"sent":"2026-02-01"}',
  });
});

test('a letter that is sent again before the mapping is fixed stays open', async () => {
  assert.equal((await redrive('--all')).stdout, '1 letter is marked; the running service sends them again.\n');
  await eventually('the document was refused again', async () => {
    return (await sluice.metric('sluice_dead_lettered_total', REASON)) === 3;
  });
  await eventually('the letter is open', async () => String(await openVersions()) === '7');
  assert.equal((await own.reader.documents(index)).has('7'), false);
});

test('dead-letters redrive heals the document after the mapping is fixed, while the service runs', async () => {
  await fixMapping();
  const { code, stdout } = await redrive('--table', `${parcels.database}.parcels`, '--reason', REASON);
  assert.equal(code, 0);
  assert.equal(stdout, '1 letter is marked; the running service sends them again.\n');
  await eventually('the letter is closed', async () => {
    return (await own.rows("SELECT id FROM dead_letters WHERE state <> 'closed'")).length === 0;
  });
  const documents = await own.reader.documents(index);
  assert.equal(documents.size, ROWS);
  assert.deepEqual(documents.get('7'), { version: 7, source: '{"id":7,"sent":"next week"}' });
  assert.deepEqual(documents.get('6'), { version: 6, source: '{"id":6,"sent":"2026-01-05"}' });

  const again = await redrive('--all');
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^E6001 no open dead letter matches/);
  assert.equal(await sluice.stop(), 0, sluice.output);
});

/** The usual way to another field type: a new index, the documents copied with their versions, and the name moved in one step. */
async function fixMapping(): Promise<void> {
  const copy = `${index}-2`;
  await request('PUT', `/${copy}`, { mappings: { properties: { id: { type: 'long' }, sent: { type: 'keyword' } } } });
  for (const [id, { source, version }] of await own.reader.documents(index)) {
    await request('PUT', `/${copy}/_doc/${id}?version=${version}&version_type=external`, JSON.parse(source));
  }
  await request('POST', '/_aliases', {
    actions: [{ remove_index: { index } }, { add: { index: copy, alias: index } }],
  });
}

async function request(method: string, path: string, body: object): Promise<void> {
  const { status, text } = await own.reader.request(method, path, body);
  assert.ok(status < 300, text);
}

async function send(rows: readonly (readonly [id: number, sent: string])[]): Promise<void> {
  const messages = rows.map(([id, sent]) => ({ value: canalMessage(parcels, 'UPDATE', [{ id: `${id}`, sent }]) }));
  await own.producer.send({ topic: own.topic, messages });
}

async function settled(end: number): Promise<void> {
  await eventually('all is settled', async () => (await own.committed())[0] === end);
}

function redrive(...args: string[]) {
  return sluiceCommand(own.config, 'dead-letters', 'redrive', ...args);
}

interface Letter {
  readonly key: string;
  readonly state: string;
  readonly version: number;
  readonly offset: number;
  readonly op: string;
  readonly detail: string;
}

async function letters(): Promise<Letter[]> {
  const { code, stderr, stdout } = await sluiceCommand(own.config, 'dead-letters', 'list', '--output', 'json');
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as Letter[]).map(({ detail, key, offset, op, state, version }) => {
    return { key, state, version, offset, op, detail };
  });
}

async function openVersions(): Promise<number[]> {
  const rows = await own.rows("SELECT version FROM dead_letters WHERE state = 'open' ORDER BY version");
  return rows.map(([version]) => Number(version));
}
