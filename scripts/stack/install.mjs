// Brings the servers onto a Debian machine: Debian packages and Maven artifacts, nothing else.
// Run as a program (`node install.mjs NAME…`) it does the work; the lock is held by whoever starts it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { output } from './commands.mjs';
import { cacheDir, canalLib, elasticsearchHome, elasticsearchUser, javaHome, kafkaLib, versions } from './settings.mjs';

const downloadMs = 9 * 60_000;
const copyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';

// A JDK and not a JRE: Canal's launcher is one Java source file, compiled when it starts.
const jdk = { has: () => exists(`${javaHome}/bin/javac`), package: 'openjdk-17-jdk-headless' };
const maven = { has: () => exists('/usr/bin/mvn'), package: 'maven' };
const unzip = { has: () => exists('/usr/bin/unzip'), package: 'unzip' };
// mariadb-server also brings the client, and the user that the server runs as.
const mariadb = {
  has: async () => (await exists('/usr/sbin/mariadbd')) && hasUser('mysql'),
  package: 'mariadb-server',
};
const redis = { has: () => exists('/usr/bin/redis-server'), package: 'redis-server' };

const elasticsearchAccount = {
  has: () => hasUser(elasticsearchUser),
  make: () => output('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', elasticsearchUser]),
};
const kafkaJars = {
  has: () => exists(kafkaLib),
  make: () =>
    jars(
      kafkaLib,
      [`org.apache.kafka:kafka_2.13:${versions.kafka}`, `org.slf4j:slf4j-simple:${versions.slf4j}`],
      [`org.slf4j:slf4j-api:${versions.slf4j}`],
    ),
};
const canalJars = {
  has: () => exists(canalLib),
  make: () =>
    jars(canalLib, [
      `com.alibaba.otter:canal.server:${versions.canal}`,
      `com.alibaba.otter:connector.kafka:${versions.canal}`,
    ]),
};
const elasticsearchZip = {
  has: () => exists(elasticsearchHome),
  make: () => unpackElasticsearch(versions.elasticsearch, elasticsearchHome),
};

const needs = {
  kafka: [jdk, maven, kafkaJars],
  elasticsearch: [jdk, maven, unzip, elasticsearchAccount, elasticsearchZip],
  redis: [redis],
  mariadb: [mariadb],
  canal: [jdk, maven, canalJars],
};

/** Installs what the named servers need and the machine lacks. Two at a time wait for each other. */
export async function install(names) {
  if (process.getuid() !== 0) {
    throw new Error(`cannot set up ${names.join(', ')}: not root; become root, or use deploy/compose.yaml`);
  }
  if ((await missing(names)).length === 0) return;
  await mkdir(cacheDir, { recursive: true });
  // flock lets go when its process ends, however it ends, so an interrupted install blocks nobody.
  const installer = [process.execPath, fileURLToPath(import.meta.url), ...names];
  const child = spawn('flock', [`${cacheDir}/install.lock`, ...installer], { stdio: ['ignore', 2, 2] });
  const [code, signal] = await once(child, 'exit');
  if (code !== 0) throw new Error(`cannot install ${names.join(', ')}: ${signal ?? `exit code ${code}`}; see above`);
}

async function missing(names) {
  const pieces = [...new Set(names.flatMap((name) => needs[name]))];
  const found = await Promise.all(pieces.map((piece) => piece.has()));
  return pieces.filter((_, index) => !found[index]);
}

async function installMissing(names) {
  for (const leftover of await readdir(cacheDir)) {
    if (leftover.startsWith('partial-')) await rm(`${cacheDir}/${leftover}`, { recursive: true, force: true });
  }
  const pieces = await missing(names);
  const packages = pieces.flatMap((piece) => piece.package ?? []);
  if (packages.length > 0) await installPackages(packages);
  for (const piece of pieces) await piece.make?.();
}

async function installPackages(packages) {
  console.error(`stack: installing ${packages.join(', ')}`);
  if (!(await exists('/usr/bin/apt-get'))) {
    throw new Error(`cannot install ${packages.join(', ')}: no apt-get here; use deploy/compose.yaml`);
  }
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: downloadMs };
  const apt = (...args) => output('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], options);
  await apt('update');
  await withoutServices(() => apt('install', '-y', '--no-install-recommends', ...packages));
}

/** Debian starts a server as soon as its package is installed; a policy says no, and goes again afterwards. */
async function withoutServices(action) {
  const file = '/usr/sbin/policy-rc.d';
  const policy = '#!/bin/sh\n# while scripts/stack.mjs installs\nexit 101\n';
  const found = await readFile(file, 'utf8').catch(() => policy);
  if (found !== policy) return action(); // the machine has a policy of its own
  await writeFile(file, policy, { mode: 0o755 });
  try {
    await action();
  } finally {
    await rm(file, { force: true });
  }
}

/** The jars of some Maven coordinates and of all that they need, in one directory; `pinned` overrides what they ask for. */
export async function jars(directory, coordinates, pinned = []) {
  console.error(`stack: downloading ${coordinates.join(', ')}`);
  const dependency = (coordinate) => {
    const [group, artifact, version] = coordinate.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  };
  const pom = `<project><modelVersion>4.0.0</modelVersion>
<groupId>sluice</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>
<dependencyManagement><dependencies>${pinned.map(dependency).join('')}</dependencies></dependencyManagement>
<dependencies>${coordinates.map(dependency).join('')}</dependencies></project>`;
  await intoCache(directory.replace(/\/lib$/, ''), async (partial) => {
    await writeFile(`${partial}/pom.xml`, pom);
    await mvn([
      '-f',
      `${partial}/pom.xml`,
      `${copyPlugin}:copy-dependencies`,
      '-DincludeScope=runtime',
      `-DoutputDirectory=${partial}/lib`,
    ]);
    return partial;
  });
}

/**
 * The server that Elastic publishes for integration tests: the real one with few modules. Its licence lets
 * everybody download and run it; it is not ours to pass on, so it never goes into the repository or an image.
 */
export async function unpackElasticsearch(version, home) {
  console.error(`stack: downloading elasticsearch ${version}`);
  await intoCache(home, async (partial) => {
    const artifact = `org.elasticsearch.distribution.integ-test-zip:elasticsearch:${version}:zip`;
    await mvn([`${copyPlugin}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${partial}`]);
    await output('unzip', ['-q', `${partial}/elasticsearch-${version}.zip`, '-d', partial]);
    return `${partial}/elasticsearch-${version}`;
  });
}

/** Makes a directory of the cache appear whole or not at all: `fill` works beside it and says what to rename. */
export async function intoCache(directory, fill) {
  const partial = await mkdtemp(`${dirname(directory)}/partial-`);
  // mkdtemp makes it private; the servers' own users must be able to read it.
  await chmod(partial, 0o755);
  await rename(await fill(partial), directory);
  await rm(partial, { recursive: true, force: true });
}

function mvn(args) {
  const options = { env: { ...process.env, JAVA_HOME: javaHome }, timeout: downloadMs };
  return output('mvn', ['-q', '-B', '-Dmaven.wagon.http.retryHandler.count=3', ...args], options);
}

function hasUser(name) {
  return output('id', ['-u', name]).then(
    () => true,
    () => false,
  );
}

function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await installMissing(process.argv.slice(2)).catch((error) => {
    console.error(`stack: ${error.message}`);
    process.exitCode = 1;
  });
}
