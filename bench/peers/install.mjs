// Installs the peers of the bench: `node bench/peers/install.mjs`. Go modules, Maven artifacts and what the stack itself
// installs, nothing else. What is there already stays as it is.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { output } from '../../scripts/stack/commands.mjs';
import { install, intoCache, jars, unpackElasticsearch } from '../../scripts/stack/install.mjs';
import { elasticsearchHome, javaHome } from '../../scripts/stack/settings.mjs';
import {
  bentoElasticsearchHome,
  bentoHome,
  flinkClasses,
  flinkElasticsearchHome,
  flinkHome,
  flinkLib,
  peersDir,
  peerVersions,
} from './homes.mjs';

const buildMs = 60 * 60_000;
const sourceOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const say = (text) => console.error(`peers: ${text}`);

const pieces = [
  [flinkElasticsearchHome, () => unpackElasticsearch(peerVersions.flinkElasticsearch, flinkElasticsearchHome)],
  [bentoElasticsearchHome, makeBentoElasticsearch],
  [flinkHome, downloadFlink],
  [flinkClasses, compileFlinkJob],
  [bentoHome, buildBento],
];

async function installPeers() {
  const missing = await missingPieces();
  if (missing.length === 0) return;
  if (missing.some(([home]) => home === bentoHome)) await needGo();
  await mkdir(peersDir, { recursive: true });
  for (const leftover of await readdir(peersDir)) {
    if (leftover.startsWith('partial-')) await rm(`${peersDir}/${leftover}`, { recursive: true, force: true });
  }
  for (const [, make] of missing) await make();
}

async function missingPieces() {
  const found = await Promise.all(pieces.map(([home]) => exists(home)));
  return pieces.filter((_, index) => !found[index]);
}

async function needGo() {
  try {
    await output('go', ['version']);
  } catch (error) {
    throw new Error('Bento cannot be built: no go here; install Go 1.26.5 or newer, and put it on the PATH', {
      cause: error,
    });
  }
}

/** Takes minutes the first time. */
async function buildBento() {
  say(`building Bento ${peerVersions.bento}, which takes some minutes`);
  await intoCache(bentoHome, async (partial) => {
    // What go.sum does not name is refused.
    const args = ['build', '-C', sourceOf('bento'), '-mod=readonly', '-buildvcs=false', '-o', `${partial}/bento`, '.'];
    await output('go', args, { timeout: buildMs });
    return partial;
  });
}

async function downloadFlink() {
  const flink = (artifact, version = peerVersions.flink) => `org.apache.flink:${artifact}:${version}`;
  await jars(flinkLib, [
    flink('flink-clients'),
    flink('flink-connector-base'),
    flink('flink-json'),
    flink('flink-table-api-java-bridge'),
    flink('flink-table-planner-loader'),
    flink('flink-table-runtime'),
    flink('flink-sql-connector-kafka', '3.2.0-1.19'),
    flink('flink-sql-connector-elasticsearch7', '3.0.1-1.17'),
    'org.apache.logging.log4j:log4j-api:2.24.3', // the sink needs it and does not say so
    'org.slf4j:slf4j-simple:1.7.36',
  ]);
}

async function compileFlinkJob() {
  say('compiling the job for Flink');
  await intoCache(flinkClasses, async (partial) => {
    await javac(['-cp', `${flinkLib}/*`, '-d', partial, sourceOf('flink/CanalToIndex.java')]);
    return partial;
  });
}

/** The stack's Elasticsearch, file by file as a link, and the plugin. */
async function makeBentoElasticsearch() {
  say(`adding GET / to Elasticsearch ${peerVersions.bentoElasticsearch}`);
  await intoCache(bentoElasticsearchHome, async (partial) => {
    const home = `${partial}/home`;
    await output('cp', ['-al', elasticsearchHome, home]);
    const plugin = `${home}/plugins/sluice-bench-root`;
    const classes = `${partial}/classes`;
    await mkdir(plugin, { recursive: true });
    await javac(['-cp', `${home}/lib/*`, '-d', classes, sourceOf('root-plugin/RootPlugin.java')]);
    await output(`${javaHome}/bin/jar`, ['--create', '--file', `${plugin}/root.jar`, '-C', classes, '.']);
    await output('cp', [sourceOf('root-plugin/plugin-descriptor.properties'), plugin]);
    await chmod(home, 0o755);
    return home;
  });
}

function javac(args) {
  return output(`${javaHome}/bin/javac`, ['--release', '17', ...args]);
}

function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function main() {
  // These bring the JDK, Maven and the user that Elasticsearch runs as; they have a lock of their own.
  await install(['kafka', 'elasticsearch']);
  await mkdir(peersDir, { recursive: true });
  const child = spawn(
    'flock',
    [`${peersDir}/install.lock`, process.execPath, fileURLToPath(import.meta.url), 'locked'],
    {
      stdio: ['ignore', 2, 2],
    },
  );
  const [code, signal] = await once(child, 'exit');
  if (code !== 0) throw new Error(`cannot install the peers: ${signal ?? `exit code ${code}`}; see above`);
  say(`all there, in ${peersDir}`);
}

try {
  await (process.argv[2] === 'locked' ? installPeers() : main());
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}
