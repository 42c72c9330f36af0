import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { expectConverged, passedTooEarly, query } from '../../support/expect-converged.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { type SharedStack, sharedStack } from '../stack.ts';
import { type LoadedDeployment, loadedDeployment } from './deployment.ts';

const PARTITIONS = 4;
const PER_SECOND = 400;
const SESSION_MS = 6000;

let shared: Pick<SharedStack, 'kafka' | 'redis' | 'mariadb' | 'elasticsearch'>;
const deployments: LoadedDeployment[] = [];

before(async () => {
  shared = await sharedStack('kafka', 'redis', 'mariadb', 'elasticsearch');
});

after(async () => {
  killRunning();
  await Promise.all(deployments.map((one) => one.remove()));
});

test('when one of two instances is killed the other takes over after the session timeout, and nothing is lost', async () => {
  const own = await deploy('takeover', 51);
  own.writer.start();
  const [first, second] = await Promise.all([start(own), start(own)]);
  await shares(first, second);
  await first.kill();
  const killedAt = performance.now();
  assert.deepEqual(await passedTooEarly(own), []);
  await owns(second, PARTITIONS);
  const took = performance.now() - killedAt;
  assert.ok(took < SESSION_MS + 8000, `taken over after ${took} ms`);
  await keepsUp(own);
  await own.writer.stop();
  await endsRight(own);
  assert.equal(await second.stop(), 0, second.output);
});

test('instances replaced one by one under load lose nothing and leave the group at once', async () => {
  const own = await deploy('rolling', 52);
  own.writer.start();
  let running = await start(own);
  await owns(running, PARTITIONS);
  for (let round = 0; round < 3; round += 1) {
    const next = await start(own);
    await shares(running, next);
    assert.equal(await running.stop(), 0, running.output);
    const stoppedAt = performance.now();
    await owns(next, PARTITIONS);
    const took = performance.now() - stoppedAt;
    assert.ok(took < SESSION_MS, `taken over after ${took} ms, not before the session was over`);
    await keepsUp(own);
    running = next;
  }
  await own.writer.stop();
  await endsRight(own);
  assert.equal(await running.stop(), 0, running.output);
});

test('an instance that sleeps until others have its partitions does no harm when it wakes', async () => {
  const own = await deploy('sleeper', 53);
  own.writer.start();
  const [sleeper, awake] = await Promise.all([start(own), start(own)]);
  await shares(sleeper, awake);
  sleeper.signal('SIGSTOP');
  await owns(awake, PARTITIONS);
  await keepsUp(own);
  sleeper.signal('SIGCONT');
  await shares(sleeper, awake);
  await keepsUp(own);
  await own.writer.stop();
  await endsRight(own);
  assert.deepEqual(await Promise.all([sleeper.stop(), awake.stop()]), [0, 0]);
});

async function deploy(name: string, seed: number): Promise<LoadedDeployment> {
  const own = await loadedDeployment(name, shared, { partitions: PARTITIONS, perSecond: PER_SECOND, seed });
  deployments.push(own);
  return own;
}

function start({ config }: LoadedDeployment): Promise<SluiceProcess> {
  return SluiceProcess.start({ ...config, source: { ...config.source, sessionTimeoutMs: SESSION_MS } });
}

function owned(sluice: SluiceProcess): Promise<number> {
  return sluice.metric('sluice_assigned_partitions');
}

async function owns(sluice: SluiceProcess, partitions: number): Promise<void> {
  await eventually(`it owns ${partitions} partitions`, async () => (await owned(sluice)) === partitions);
}

async function shares(...instances: SluiceProcess[]): Promise<void> {
  await eventually('each owns an equal share', async () => {
    const shares = await Promise.all(instances.map(owned));
    return shares.every((share) => share === PARTITIONS / instances.length);
  });
}

/** Waits until what is not committed is no more than a few seconds of the running load. */
async function keepsUp(own: LoadedDeployment): Promise<void> {
  await eventually('it keeps up with the load', async () => (await own.backlog()) < 3 * PER_SECOND);
}

async function endsRight(own: LoadedDeployment): Promise<void> {
  await expectConverged(own);
  const { changes, topic } = own.writer;
  const [journal] = await query<{ count: number }>(
    own.storeUrl,
    'SELECT COUNT(*) AS count FROM buffer_backup WHERE topic = ?',
    [topic],
  );
  assert.equal(journal?.count, changes.length, 'the journal has every change once');
}
