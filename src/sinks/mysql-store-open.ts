import { SluiceError } from '../pipeline/errors.ts';
import type { MysqlDatabase } from './mysql-store-database.ts';
import { migrate, probeRights } from './store-migrate.ts';
import type { SchemaPart } from './store-schema.ts';
import { mysqlDialect, type SqlSession } from './store-sql.ts';

/** Seconds that an instance waits while another one creates the schema; below the deadline of a statement. */
const LOCK_WAIT_S = 8;

export interface DatabaseRole {
  readonly control: MysqlDatabase;
  readonly journalTables: number;
  readonly layout: string;
}

/** Reads the server's limits, creates or checks the schema and asks for every right. Resolves with warnings. */
export async function openDatabase(database: MysqlDatabase, role: DatabaseRole): Promise<string[]> {
  const { control, journalTables, layout } = role;
  const isNear = database.endpoint.host === control.endpoint.host && database.endpoint.port === control.endpoint.port;
  const prefix = database === control ? '' : isNear ? `\`${control.endpoint.database.replaceAll('`', '``')}\`.` : null;
  const part: SchemaPart = { journalTables, isControl: database === control, controlPrefix: prefix };
  return database.onConnection(async (session) => {
    const server = await readServer(session);
    database.setMaxPacketBytes(server.maxPacketBytes);
    const migration = { dialect: mysqlDialect, collation: server.collation, part, layout };
    await locked(session, () => migrate(session, migration));
    await probeRights(session, part);
    return server.warnings;
  });
}

/** One instance at a time: statements that create tables commit by themselves, so no transaction would keep them apart. */
async function locked(session: SqlSession, work: () => Promise<void>): Promise<void> {
  const name = "CONCAT('sluice_schema_', LEFT(MD5(DATABASE()), 16))";
  const { rows } = await session.run(`SELECT GET_LOCK(${name}, ${LOCK_WAIT_S}) AS taken`, []);
  if (Number(rows[0]?.taken) !== 1)
    throw new SluiceError('E4001', 'the store’s schema is being changed by another instance', {
      detail: `waited ${LOCK_WAIT_S} s`,
      retriable: true,
    });
  try {
    await work();
  } finally {
    await session.run(`SELECT RELEASE_LOCK(${name})`, []);
  }
}

async function readServer(session: SqlSession) {
  const { rows } = await session.run(
    'SELECT VERSION() AS version, @@max_allowed_packet AS packet, @@innodb_flush_log_at_trx_commit AS flush_log',
    [],
  );
  const { version = '', packet = 0, flush_log: flushLog = 0 } = rows[0] ?? {};
  const warnings: string[] = [];
  if (Number(flushLog) !== 1)
    warnings.push(
      `innodb_flush_log_at_trx_commit is ${String(flushLog)}: a crash of the server may lose what it confirmed. Set it to 1.`,
    );
  return { maxPacketBytes: Number(packet), collation: await exactCollation(session, String(version)), warnings };
}

/** The collation that tells all texts apart. It has another name on MariaDB. */
async function exactCollation(session: SqlSession, version: string): Promise<string> {
  const { rows } = await session.run(
    `SELECT COLLATION_NAME AS name FROM information_schema.COLLATIONS
     WHERE COLLATION_NAME IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY COLLATION_NAME DESC`,
    [],
  );
  const name = rows[0]?.name;
  if (typeof name !== 'string')
    throw new SluiceError('E4002', 'the store’s server is too old', {
      detail: `version ${version}`,
      remedy: 'Use MySQL 8.0.17 or MariaDB 10.11, or newer.',
    });
  return name;
}
