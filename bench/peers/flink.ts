import { join } from 'node:path';
import type { Places, Scenario } from '../scenario.ts';
import { flinkClasses, flinkLib, java } from './homes.mjs';
import { type Peer, peerScenario } from './peer-scenario.ts';

const OPENED = ['java.base/java.lang', 'java.base/java.nio', 'java.base/java.time', 'java.base/java.util'];

/** Flink SQL: a cluster of two slots inside one process, heap 1 GiB. */
export function flink({ kafka, flinkElasticsearch }: Required<Pick<Places, 'kafka' | 'flinkElasticsearch'>>): Scenario {
  const settings = join(import.meta.dirname, 'flink');
  const peer: Peer = {
    name: 'Flink',
    files: [flinkLib, flinkClasses],
    assigned: /Assigning splits/,
    command: ({ brokers, topic, group, url, index, directory }) => ({
      command: [
        java,
        '-Xms1g',
        '-Xmx1g',
        ...OPENED.flatMap((name) => ['--add-opens', `${name}=ALL-UNNAMED`]),
        `-Djava.io.tmpdir=${directory}`, // it leaves files of 20 MB there
        `-Djava.util.logging.config.file=${settings}/logging.properties`,
        '-cp',
        `${flinkClasses}:${settings}:${flinkLib}/*`,
        'CanalToIndex',
        brokers.join(),
        topic,
        group,
        url,
        index,
        `${directory}/checkpoints`,
      ],
      environment: {},
    }),
  };
  return peerScenario(peer, kafka.brokers, flinkElasticsearch.url);
}
