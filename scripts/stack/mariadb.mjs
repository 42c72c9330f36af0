import { chown, mkdir, writeFile } from 'node:fs/promises';
import { output } from './commands.mjs';

const user = 'mysql'; // Debian's package makes it
/** Memory and redo log for millions of journal rows; what is durable does not change with them. */
const optimized = ['--innodb-buffer-pool-size=1G', '--innodb-log-file-size=1G'];

/**
 * One MariaDB with the database `sluice` and the user sluice/sluice. Durability is left at the defaults.
 *
 * @param {{ binlog?: boolean, optimize?: boolean }} options binlog: writes full row images for Canal, and lets canal/canal
 * read them; optimize: memory and log for benchmarks
 */
export async function prepare({ port, directory }, { binlog = false, optimize = false }) {
  const data = `${directory}/data`;
  const socket = `${directory}/socket`;
  const uid = Number(await output('id', ['-u', user]));
  const gid = Number(await output('id', ['-g', user]));
  // A server that starts removes every temporary table it finds, those of another one's installation as well.
  const temporary = `${directory}/tmp`;
  await mkdir(temporary);
  for (const path of [directory, temporary]) await chown(path, uid, gid);
  await output('mariadb-install-db', [
    '--no-defaults',
    `--user=${user}`,
    `--datadir=${data}`,
    `--tmpdir=${temporary}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ]);
  const initFile = `${directory}/init.sql`;
  await writeFile(initFile, initSql(binlog));
  return {
    addresses: { url: `mysql://sluice:sluice@127.0.0.1:${port}/sluice`, rootSocket: socket },
    user,
    command: [
      'mariadbd',
      '--no-defaults',
      `--datadir=${data}`,
      `--tmpdir=${temporary}`,
      `--socket=${socket}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      ...(optimize ? optimized : ['--innodb-buffer-pool-size=256M']),
      '--max-allowed-packet=64M',
      `--init-file=${initFile}`,
      ...(binlog ? [`--server-id=${port}`, '--log-bin=binlog', '--binlog-format=ROW', '--binlog-row-image=FULL'] : []),
    ],
  };
}

/** Run by the server at every start, before it takes a connection; one statement a line. */
function initSql(binlog) {
  const account = (name) => `CREATE USER IF NOT EXISTS '${name}'@'127.0.0.1' IDENTIFIED BY '${name}';`;
  const statements = [
    'SET SESSION sql_log_bin = 0;', // or Canal would send these statements again after each start
    'CREATE DATABASE IF NOT EXISTS sluice CHARACTER SET utf8mb4;',
    account('sluice'),
    // sluice_… as well, so that tests which run side by side can have a database each
    `GRANT ALL ON ${binlog ? '*.*' : '`sluice%`.*'} TO 'sluice'@'127.0.0.1';`,
  ];
  if (binlog) {
    statements.push(account('canal'), "GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO 'canal'@'127.0.0.1';");
  }
  return `${statements.join('\n')}\n`;
}

export async function ready(spec) {
  return (await executeSql(spec, 'SELECT 1')).includes('1');
}

/** Runs SQL as root over the socket and returns what the client prints. */
export function executeSql({ addresses }, sql) {
  const connection = ['--no-defaults', '--user=root', `--socket=${addresses.rootSocket}`, '--connect-timeout=5'];
  return output('mariadb', [...connection, '--batch', '--execute', sql], { timeout: 30_000 });
}
