import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import kafkajs, { type Admin, type Kafka, type Producer } from 'kafkajs';
import { commandLine } from '../../src/cli/command-line.ts';
import { placeOf } from '../../src/pipeline/change.ts';
import { readDirectoryIndex } from '../../src/sinks/directory-sink.ts';
import { patchKafkajs } from '../../src/sources/kafkajs-patches.ts';
import { canalMessage, ORDERS, orderRow } from '../support/canal-message.ts';
import { eventually } from '../support/eventually.ts';
import { killRunning, SluiceProcess, withoutSettings } from '../support/sluice-process.ts';
import { sharedStack } from './stack.ts';

let brokers: string[];
let kafka: Kafka;
let admin: Admin;
let producer: Producer;
let folder: string;

before(async () => {
  patchKafkajs();
  ({ brokers } = (await sharedStack('kafka')).kafka);
  kafka = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING });
  admin = kafka.admin();
  producer = kafka.producer();
  await Promise.all([admin.connect(), producer.connect()]);
  folder = mkdtempSync(join(tmpdir(), 'sluice-epoch-'));
});

after(async () => {
  killRunning();
  await Promise.all([admin.disconnect(), producer.disconnect()]);
  rmSync(folder, { recursive: true, force: true });
});

/** A deployment on embedded adapters: only the log matters here. */
function deployment(name: string) {
  const paths = { journal: join(folder, `${name}.db`), index: join(folder, name) };
  const config = {
    source: { type: 'kafka', brokers, groupId: name, topics: [name] },
    journal: { type: 'sqlite', path: paths.journal },
    index: { type: 'directory', path: paths.index },
    window: { ms: 200 },
  };
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  return {
    config,
    send: (partition: number, id: number, version: number) =>
      producer.send({
        topic: name,
        messages: [{ partition, value: canalMessage(ORDERS, 'UPDATE', [orderRow(id, version)]) }],
      }),
    isSettled: async (ends: readonly number[]) => {
      const [own] = await admin.fetchOffsets({ groupId: name, topics: [name] });
      return ends.every((end, partition) =>
        own?.partitions.some((one) => one.partition === partition && Number(one.offset) === end),
      );
    },
    versions: () =>
      new Map(
        [...(readDirectoryIndex(paths.index).get('shop_orders') ?? [])].map(([key, { version }]) => [
          key,
          placeOf(version),
        ]),
      ),
    async bump(...flags: string[]): Promise<{ code: number; text: string }> {
      const lines: string[] = [];
      const before = process.env;
      process.env = withoutSettings(before);
      const output = { result: (line: string) => lines.push(line), message: (line: string) => lines.push(line) };
      const code = await commandLine(['epoch', 'bump', '--config', file, '--topic', name, ...flags], output);
      process.env = before;
      return { code, text: lines.join('\n') };
    },
  };
}

test('added partitions are refused until a bump, which is refused while an instance runs and changes no earlier version', async () => {
  const name = 'epoch-added';
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 1 }], waitForLeaders: true });
  const { bump, config, isSettled, send, versions } = deployment(name);
  for (const id of [1, 2, 3]) await send(0, id, 1);
  const first = await SluiceProcess.start(config);
  await eventually('all is settled', () => isSettled([3]));
  const refused = await bump('--yes');
  assert.equal(refused.code, 1);
  assert.match(refused.text, /^E2002 group epoch-added still has 1 members/);
  assert.equal(await first.stop(), 0, first.output);

  await admin.createPartitions({ topicPartitions: [{ topic: name, count: 2 }] });
  // kafkajs drops what is meant for a partition that it has not heard of, without a word.
  await producer.disconnect();
  await producer.connect();
  const stranger = await SluiceProcess.spawn(config);
  assert.equal(await stranger.ended(), 1);
  assert.match(stranger.output, /E2002/);
  assert.equal((await bump()).code, 0, 'without --yes it only says what it would do');
  assert.equal((await bump('--yes')).code, 0);

  await send(1, 1, 2); // key 1 moved to the new partition, where offsets begin at 0
  await send(0, 2, 2);
  const second = await SluiceProcess.start(config);
  await eventually('all is settled', () => isSettled([4, 1]));
  assert.equal(await second.stop(), 0, second.output);
  assert.deepEqual(
    versions(),
    new Map([
      ['1', { epoch: 1, offset: 0 }],
      ['2', { epoch: 1, offset: 3 }],
      ['3', { epoch: 0, offset: 2 }],
    ]),
  );
});

test('a topic that was made again is refused until a bump, and then read from its start', async () => {
  const name = 'epoch-recreated';
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 1 }], waitForLeaders: true });
  const { bump, config, isSettled, send, versions } = deployment(name);
  for (const version of [1, 2, 3, 4]) await send(0, 1, version);
  const first = await SluiceProcess.start(config);
  await eventually('all is settled', () => isSettled([4]));
  assert.equal(await first.stop(), 0, first.output);

  await admin.deleteTopics({ topics: [name] });
  await eventually('the topic is gone', async () => !(await admin.listTopics()).includes(name));
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 1 }], waitForLeaders: true });
  await send(0, 1, 5);
  const stranger = await SluiceProcess.spawn(config);
  assert.equal(await stranger.ended(), 1, stranger.output);
  assert.match(stranger.output, /E200[23]/);
  assert.equal((await bump('--recreated', '--yes')).code, 0);
  const second = await SluiceProcess.start(config);
  await eventually('all is settled', () => isSettled([1]));
  assert.equal(await second.stop(), 0, second.output);
  assert.deepEqual(versions(), new Map([['1', { epoch: 1, offset: 0 }]]));
});
