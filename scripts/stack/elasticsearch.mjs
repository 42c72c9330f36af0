import { chown, mkdir, writeFile } from 'node:fs/promises';
import { output } from './commands.mjs';
import { serverPidFile } from './processes.mjs';
import { elasticsearchHome, elasticsearchUser, javaHome, quickStart } from './settings.mjs';

const logToConsole = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] [%node_name]%marker %m%consoleException%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
`;

/**
 * A single node. The home is shared and read-only; configuration, data, logs and temporary files are its own.
 *
 * @param {object} options see ElasticsearchOptions in index.d.mts
 */
export async function prepare({ port, directory }, { heapMb = 768, optimize = false, home = elasticsearchHome }) {
  const config = `${directory}/config`;
  const temporary = `${directory}/tmp`;
  await mkdir(config);
  await mkdir(temporary);
  await writeFile(
    `${config}/elasticsearch.yml`,
    `cluster.name: sluice-${port}
node.name: sluice-${port}
path.data: ${directory}/data
path.logs: ${directory}/logs
network.host: 127.0.0.1
http.port: ${port}
transport.port: ${port + 1}
discovery.type: single-node
xpack.security.enabled: false
action.destructive_requires_name: false
cluster.routing.allocation.disk.threshold_enabled: false # a nearly full disk must not turn indices read-only
indices.breaker.total.use_real_memory: false
${optimize ? '' : 'node.store.allow_mmap: false # needs no vm.max_map_count\n'}`,
  );
  const jvmOptions = [
    `-Xms${heapMb}m`,
    `-Xmx${heapMb}m`,
    '-XX:-AlwaysPreTouch',
    ...(optimize ? [] : quickStart),
    `-Dsluice.stack=${directory}`, // marks the server's command line as ours
  ];
  await writeFile(`${config}/jvm.options`, `${jvmOptions.join('\n')}\n`);
  await writeFile(`${config}/log4j2.properties`, logToConsole);
  const uid = Number(await output('id', ['-u', elasticsearchUser]));
  const gid = Number(await output('id', ['-g', elasticsearchUser]));
  for (const path of [directory, config, temporary]) await chown(path, uid, gid);
  return {
    addresses: { url: `http://127.0.0.1:${port}` },
    user: elasticsearchUser,
    // A small launcher JVM stays in front of the server, so the server writes its own pid.
    command: [`${home}/bin/elasticsearch`, '-p', serverPidFile(directory)],
    environment: {
      ES_JAVA_HOME: javaHome,
      ES_PATH_CONF: config,
      ES_TMPDIR: temporary,
      CLI_JAVA_OPTS: `-Djava.io.tmpdir=${temporary}`, // the launcher's; it leaves files behind
    },
  };
}

export async function ready({ addresses }) {
  const health = await fetch(`${addresses.url}/_cluster/health?wait_for_status=yellow&timeout=1s`, {
    signal: AbortSignal.timeout(5000),
  });
  return health.status === 200;
}
