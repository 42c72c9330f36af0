import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import kafkajs from 'kafkajs';
import { LONGEST_CLOSE_MS } from '../../../src/pipeline/run-service.ts';
import { ElasticsearchReader } from '../../support/elasticsearch-reader.ts';
import { eventually } from '../../support/eventually.ts';
import { committedOffsets, expectConverged, parkedCount, passedTooEarly } from '../../support/expect-converged.ts';
import { Gate } from '../../support/gate.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { remove, type SharedStack, sharedStack, startKafka } from '../stack.ts';
import { type LoadedDeployment, loadedDeployment } from './deployment.ts';

const DRAIN_MS = 3000;
/** A second more than promised, for the way from signal to exit of a process on a busy machine. */
const DEADLINE_MS = DRAIN_MS + LONGEST_CLOSE_MS + 1000;
const LOAD = { partitions: 2, perSecond: 400 };

let shared: Pick<SharedStack, 'kafka' | 'redis' | 'mariadb' | 'elasticsearch'>;
const deployments: LoadedDeployment[] = [];
const gates: Gate[] = [];

before(async () => {
  shared = await sharedStack('kafka', 'redis', 'mariadb', 'elasticsearch');
});

after(async () => {
  killRunning();
  await Promise.all(gates.map((gate) => gate.close()));
  await Promise.all(deployments.map((one) => one.remove()));
});

test('SIGTERM under load ends with 0 within its deadline, leaves the group, and a restart goes on where it stopped', async () => {
  const own = await deploy('term', 41);
  own.writer.start();
  for (let round = 0; round < 3; round += 1) {
    const sluice = await SluiceProcess.start(quick(own));
    await progress(own);
    await stopsInTime(sluice);
    assert.deepEqual(await members(own), [], 'no member is left behind');
    assert.deepEqual(await passedTooEarly(own), []);
    assert.deepEqual(await indexedAndNotCommitted(own), []);
  }
  const last = await SluiceProcess.start(quick(own));
  await own.writer.stop();
  await expectConverged(own);
  await stopsInTime(last);
});

test('SIGTERM while Elasticsearch hangs parks what is left and ends with 0 within its deadline', async () => {
  const own = await deploy('term_index', 42);
  const gate = await gateBefore(shared.elasticsearch.url);
  own.writer.start();
  const sluice = await SluiceProcess.start({
    ...quick(own),
    index: { type: 'elasticsearch', nodes: [gate.through(shared.elasticsearch.url)] },
  });
  await progress(own);
  gate.shut();
  await moreLoad(own);
  await stopsInTime(sluice);
  assert.ok((await parkedCount(own.storeUrl)) > 0);
  await continues(own);
});

test('SIGTERM while MariaDB hangs ends with 0 within its deadline, and what could not be made durable is read again', async () => {
  const own = await deploy('term_store', 43);
  const gate = await gateBefore(shared.mariadb.url);
  own.writer.start();
  const sluice = await SluiceProcess.start({
    ...quick(own),
    journal: { type: 'mysql', url: gate.through(own.storeUrl) },
  });
  await progress(own);
  gate.shut();
  await moreLoad(own);
  await stopsInTime(sluice);
  await continues(own, { isJournalWhole: false, mayGapsOverlap: true });
});

test('SIGTERM while Kafka hangs ends within the deadline, with 1 because the last commit is not known', async () => {
  const kafka = await startKafka();
  try {
    const own = await deploy('term_kafka', 45, { ...shared, kafka });
    const sluice = await SluiceProcess.start({ ...quick(own), window: { ms: 5000 } });
    await own.writer.write(LOAD.perSecond);
    await eventually('all is read', async () => {
      return (await sluice.metric('sluice_changes_journaled_total')) === own.writer.changes.length;
    });
    await kafka.pause();
    await stopsInTime(sluice, 1);
    assert.match(sluice.output, /"code":"E2001"/);
    kafka.resume();
    await continues(own);
    await own.remove();
    deployments.pop();
  } finally {
    await remove([kafka]);
  }
});

test('a second signal ends a drain at once, and a restart loses nothing', async () => {
  const own = await deploy('twice', 44);
  const gate = await gateBefore(shared.elasticsearch.url);
  own.writer.start();
  const sluice = await SluiceProcess.start({
    ...quick(own),
    index: { type: 'elasticsearch', nodes: [gate.through(shared.elasticsearch.url)] },
    drainMs: 60_000,
  });
  await progress(own);
  gate.shut();
  await moreLoad(own);
  sluice.signal('SIGTERM');
  await eventually('it drains', () => sluice.output.includes('stopping: draining'));
  const askedAt = performance.now();
  sluice.signal('SIGINT');
  assert.equal(await sluice.ended(), 130);
  assert.ok(performance.now() - askedAt < 1000);
  await continues(own);
});

async function deploy(name: string, seed: number, servers = shared): Promise<LoadedDeployment> {
  const own = await loadedDeployment(name, servers, { ...LOAD, seed });
  deployments.push(own);
  return own;
}

/** A short drain, and a short wait for the partitions of a member that could not leave. */
function quick({ config }: LoadedDeployment) {
  return { ...config, source: { ...config.source, sessionTimeoutMs: 6000 }, drainMs: DRAIN_MS };
}

async function gateBefore(url: string): Promise<Gate> {
  const gate = await Gate.before(url);
  gates.push(gate);
  return gate;
}

/** Waits until the position has moved on by some seconds of load. */
async function progress(own: LoadedDeployment): Promise<void> {
  const sum = async (): Promise<number> => (await committedOffsets(own)).reduce((a, b) => a + b, 0);
  const before = await sum();
  await eventually('the position moves', async () => (await sum()) > before + LOAD.perSecond);
}

/** Waits until some seconds more of load are written. */
async function moreLoad({ writer }: LoadedDeployment): Promise<void> {
  const { length: before } = writer.changes;
  await eventually('the load goes on', () => writer.changes.length > before + 3 * LOAD.perSecond);
}

async function stopsInTime(sluice: SluiceProcess, code = 0): Promise<void> {
  const askedAt = performance.now();
  assert.equal(await sluice.stop(), code, sluice.output);
  const took = performance.now() - askedAt;
  assert.ok(took < DEADLINE_MS, `it took ${took} ms`);
}

/** Starts it anew on servers that answer, and holds the end against what was written. */
async function continues(own: LoadedDeployment, journal: Parameters<typeof expectConverged>[1] = {}): Promise<void> {
  assert.deepEqual(await passedTooEarly(own), []);
  const sluice = await SluiceProcess.start(quick(own));
  await own.writer.stop();
  await expectConverged(own, journal);
  await stopsInTime(sluice);
}

/** Keys that would be read and written again: none after a drain. */
async function indexedAndNotCommitted(own: LoadedDeployment): Promise<string[]> {
  const committed = await committedOffsets(own);
  const versions = await new ElasticsearchReader(own.elasticsearch.url).versions(own.writer.index);
  const { expected } = own.writer;
  return [...versions]
    .filter(([key, version]) => version > (committed[expected.get(key)?.partition ?? -1] ?? 0))
    .map(String);
}

async function members({ groupId, writer }: LoadedDeployment): Promise<string[]> {
  const admin = new kafkajs.Kafka({ brokers: [...writer.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  const { groups } = await admin.describeGroups([groupId]);
  await admin.disconnect();
  return groups[0]?.members.map(({ memberId }) => memberId) ?? [];
}
