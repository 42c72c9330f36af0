import { writeFile } from 'node:fs/promises';
import { output } from './commands.mjs';
import { until } from './until.mjs';

/**
 * One Redis. It keeps what it was told through a crash of its process unless `appendonly` is false.
 *
 * @param {{ appendonly?: boolean, cluster?: boolean }} options
 */
export async function prepare({ port, directory }, { appendonly = true, cluster = false }) {
  const file = `${directory}/redis.conf`;
  // appendfsync no: every write reaches the kernel before its answer, which outlives the process, if not the machine.
  const settings = `port ${port}
bind 127.0.0.1
dir ${directory}
proc-title-template "{title} {listen-addr} {server-mode} {config-file}"
save ""
appendonly ${appendonly ? 'yes' : 'no'}
appendfsync no
`;
  const clusterSettings = `cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout 2000
cluster-announce-ip 127.0.0.1
cluster-port ${port + 1}
repl-diskless-sync-delay 0
`;
  await writeFile(file, cluster ? settings + clusterSettings : settings);
  return { addresses: { url: `redis://127.0.0.1:${port}` }, command: ['redis-server', file] };
}

export async function ready({ port }) {
  return (await ask(port, 'ping')).trim() === 'PONG';
}

/** Joins six started nodes into a cluster of three masters with a replica each, and waits until all agree. */
export async function joinCluster(ports) {
  const nodes = ports.map((port) => `127.0.0.1:${port}`);
  await output('redis-cli', ['--cluster', 'create', ...nodes, '--cluster-replicas', '1', '--cluster-yes']);
  for (const port of ports) {
    await until(`redis-cluster node ${port} ready`, 60, async () => {
      const state = await ask(port, 'cluster', 'info');
      if (!state.includes('cluster_state:ok') || !state.includes('cluster_known_nodes:6')) return false;
      // A replica that has not caught up cannot be promoted: a failover test would find no successor.
      const replication = await ask(port, 'info', 'replication');
      return replication.includes('role:master')
        ? replication.includes('connected_slaves:1')
        : replication.includes('master_link_status:up');
    });
  }
}

function ask(port, ...command) {
  return output('redis-cli', ['-h', '127.0.0.1', '-p', `${port}`, ...command], { timeout: 5000 });
}
