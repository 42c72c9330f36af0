import { chown, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { output } from './commands.mjs';
import { elasticsearchHome, elasticsearchUser, javaHome } from './settings.mjs';

/**
 * A single node. The home is shared and read-only; configuration, data, logs and temporary files are its own.
 *
 * @param {{ heapMb?: number }} options
 */
export async function prepare({ port, directory }, { heapMb = 768 }) {
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
node.store.allow_mmap: false # needs no vm.max_map_count
`,
  );
  // The last line marks the server's command line as ours.
  await writeFile(
    `${config}/jvm.options`,
    `-Xms${heapMb}m
-Xmx${heapMb}m
-XX:+UseSerialGC
-XX:-AlwaysPreTouch
-Dsluice.stack=${directory}
`,
  );
  await copyFile(`${elasticsearchHome}/config/log4j2.properties`, `${config}/log4j2.properties`);
  const uid = Number(await output('id', ['-u', elasticsearchUser]));
  const gid = Number(await output('id', ['-g', elasticsearchUser]));
  for (const path of [directory, config, temporary]) await chown(path, uid, gid);
  const pidFile = `${directory}/elasticsearch.pid`;
  return {
    addresses: { url: `http://127.0.0.1:${port}` },
    user: elasticsearchUser,
    // A small launcher JVM stays in front of the server, so the server writes its own pid.
    pidFile,
    command: [`${elasticsearchHome}/bin/elasticsearch`, '-p', pidFile],
    environment: { ES_JAVA_HOME: javaHome, ES_PATH_CONF: config, ES_TMPDIR: temporary },
  };
}

export async function ready({ addresses }) {
  const health = await fetch(`${addresses.url}/_cluster/health?wait_for_status=yellow&timeout=1s`, {
    signal: AbortSignal.timeout(5000),
  });
  return health.status === 200;
}
