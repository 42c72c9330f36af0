import { join } from 'node:path';
import type { Places, Scenario } from '../scenario.ts';
import { bentoProgram } from './homes.mjs';
import { type Peer, peerScenario } from './peer-scenario.ts';

/** Bento at its fastest setting that ends right: the last row of each key of a batch, one thread, one batch in flight. */
export function bento({ kafka, bentoElasticsearch }: Required<Pick<Places, 'kafka' | 'bentoElasticsearch'>>): Scenario {
  const peer: Peer = {
    name: 'Bento',
    files: [bentoProgram],
    assigned: /beginning heartbeat loop|assigning partitions/,
    command: ({ brokers, topic, group, url, index }) => ({
      command: [bentoProgram, '-c', join(import.meta.dirname, 'bento/pipeline.yaml')],
      environment: { BROKERS: brokers.join(), TOPIC: topic, GROUP: group, URL: url, INDEX: index },
    }),
  };
  return peerScenario(peer, kafka.brokers, bentoElasticsearch.url);
}
