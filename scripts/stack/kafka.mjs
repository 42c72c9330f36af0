import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { output } from './commands.mjs';
import { countBrokers } from './kafka-protocol.mjs';
import { propertiesText } from './properties.mjs';
import { java, kafkaLib, quickStart } from './settings.mjs';

/**
 * One broker that is its own controller. Topics are not made by naming them: a test that misspells one fails.
 *
 * @param {object} options see KafkaOptions in index.d.mts
 */
export async function prepare(
  { port, directory },
  { heapMb = 512, optimize = false, properties = {}, advertised = [] },
) {
  const controllerPort = port + 1;
  // Each listener needs a port of its own; on this address nobody else of a stack claims one.
  const further = advertised.map((at, i) => ({ name: `VIA${i}`, address: `127.0.0.2:${port + 2 + i}`, at }));
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: [
      `PLAINTEXT://127.0.0.1:${port}`,
      `CONTROLLER://127.0.0.1:${controllerPort}`,
      ...further.map(({ name, address }) => `${name}://${address}`),
    ].join(','),
    'advertised.listeners': [
      `PLAINTEXT://127.0.0.1:${port}`,
      ...further.map(({ name, at }) => `${name}://127.0.0.1:${at}`),
    ].join(','),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': ['CONTROLLER', 'PLAINTEXT', ...further.map(({ name }) => name)]
      .map((name) => `${name}:PLAINTEXT`)
      .join(','),
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': `${directory}/data`,
    'auto.create.topics.enable': 'false',
    // one broker: nothing can have more than one copy
    'default.replication.factor': '1',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // small and quick to start
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    // After a crash the controller lets a broker back in only when its old session has ended: by default 9 s.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'num.network.threads': '2',
    'num.io.threads': '2',
    'log.cleaner.dedupe.buffer.size': '2097152',
    'log.index.size.max.bytes': '1048576',
    ...properties,
  };
  const file = `${directory}/server.properties`;
  await writeFile(file, propertiesText(settings));
  const classPath = `${kafkaLib}/*`;
  await output(java, ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', clusterId(), '-c', file]);
  return {
    addresses: { brokers: [`127.0.0.1:${port}`], via: further.map(({ address }) => address) },
    command: [
      java,
      '-Xms256m',
      `-Xmx${heapMb}m`,
      ...(optimize ? [] : quickStart),
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      classPath,
      'kafka.Kafka',
      file,
    ],
  };
}

export async function ready({ host, port }) {
  return (await countBrokers(host, port)) > 0;
}

/** A Kafka UUID. The first bit is 0, so that its text never begins with the `-` of an option. */
export function clusterId(bytes = randomBytes(16)) {
  return Buffer.from([bytes[0] & 0x7f, ...bytes.subarray(1)]).toString('base64url');
}
