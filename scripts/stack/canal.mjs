import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { propertiesText } from './properties.mjs';
import { canalLib, java, quickStart } from './settings.mjs';

const launcher = fileURLToPath(new URL('canal/', import.meta.url));

/**
 * Canal from one MariaDB (started with binlog) to one topic, as flat JSON. The topic must exist before rows come.
 *
 * @param {object} options see CanalOptions in index.d.mts
 */
export async function prepare({ port, directory }, options) {
  const { brokers, topic, mariadb, filter, partitions = 1, partitionHash = '.*\\..*:$pk$' } = options;
  const file = `${directory}/canal.properties`;
  const dataDirectory = `${directory}/data`;
  await mkdir(dataDirectory);
  const settings = {
    'canal.serverMode': 'kafka',
    'canal.mq.flatMessage': 'true',
    'canal.mq.canalBatchSize': '50',
    'canal.mq.canalGetTimeout': '100',
    'canal.mq.database.hash': 'true',
    'canal.mq.send.thread.size': '4',
    'canal.mq.build.thread.size': '2',
    'kafka.bootstrap.servers': brokers.join(','),
    'kafka.acks': 'all',
    'kafka.compression.type': 'none',
    'kafka.batch.size': '16384',
    'kafka.linger.ms': '1',
    'kafka.max.request.size': '1000000',
    'kafka.buffer.memory': '33554432',
    'kafka.max.in.flight.requests.per.connection': '1',
    'kafka.retries': '0',
    'stack.destination': 'sluice',
    'stack.dataDirectory': dataDirectory,
    'stack.host': mariadb.host,
    'stack.port': mariadb.port,
    'stack.user': 'canal',
    'stack.password': 'canal',
    'stack.slaveId': port, // Canal listens nowhere, but its claimed port makes a number of its own
    'stack.filter': filter,
    'stack.topic': topic,
    'stack.partitions': partitions,
    'stack.partitionHash': partitionHash,
  };
  await writeFile(file, propertiesText(settings));
  return {
    addresses: { topic },
    command: [
      java,
      '-Xms64m',
      '-Xmx256m',
      ...quickStart,
      '-Duser.timezone=UTC',
      '-Dfile.encoding=UTF-8',
      '-cp',
      `${launcher}:${canalLib}/*`,
      `${launcher}CanalToKafka.java`,
      file,
    ],
  };
}

/** Canal reads from the database once it has asked for its binary log; what is written before that may be missed. */
export async function ready({ directory }) {
  return (await readFile(`${directory}/log`, 'utf8')).includes('COM_BINLOG_DUMP');
}
