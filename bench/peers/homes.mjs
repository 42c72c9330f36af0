// Where install.mjs puts the peers, and which versions they are.
import { cacheDir, java, versions } from '../../scripts/stack/settings.mjs';

export { java };

export const peerVersions = {
  bento: '1.20.0',
  flink: '1.20.3',
  // Flink's sink for Elasticsearch 7 cannot read the answers of version 8.
  flinkElasticsearch: '7.17.29',
  bentoElasticsearch: versions.elasticsearch,
};

export const peersDir = `${cacheDir}/peers`;

export const bentoHome = `${peersDir}/bento-${peerVersions.bento}`;
export const bentoProgram = `${bentoHome}/bento`;
export const bentoElasticsearchHome = `${peersDir}/elasticsearch-${peerVersions.bentoElasticsearch}-root`;

export const flinkHome = `${peersDir}/flink-${peerVersions.flink}`;
export const flinkLib = `${flinkHome}/lib`;
export const flinkClasses = `${peersDir}/flink-${peerVersions.flink}-classes`;
export const flinkElasticsearchHome = `${peersDir}/elasticsearch-${peerVersions.flinkElasticsearch}`;
