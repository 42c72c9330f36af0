import { SluiceError } from '../pipeline/errors.ts';
import { SCHEMA_VERSION, type SchemaPart, schemaStatements, schemaTables, versionTable } from './store-schema.ts';
import type { Dialect, SqlSession } from './store-sql.ts';

export interface Migration {
  readonly dialect: Dialect;
  readonly collation: string;
  readonly part: SchemaPart;
  /** Which piece of the journal this database is, as `0/2x16`: first of two databases, sixteen tables in each. */
  readonly layout: string;
}

/**
 * Brings a database to this version's schema. The caller holds a lock, so that two instances do not do it at once.
 * @throws SluiceError E4002 when the schema is newer than this version or was made for another number of shards.
 */
export async function migrate(session: SqlSession, { dialect, collation, part, layout }: Migration): Promise<void> {
  const stored = await storedSchema(session, dialect);
  if (stored === null) await session.run(versionTable(dialect, collation), []);
  const version = Number(stored?.get('schema') ?? 0);
  if (version > SCHEMA_VERSION)
    throw new SluiceError('E4002', 'the store was made by a newer sluice', {
      detail: `its schema is version ${version}, this sluice knows ${SCHEMA_VERSION}`,
      remedy: 'Update sluice.',
    });
  const storedLayout = stored?.get('journal');
  if (storedLayout !== undefined && storedLayout !== layout)
    throw new SluiceError('E4002', 'the journal is laid out differently', {
      detail: `database has ${storedLayout}, configuration says ${layout} (index/databases x tables)`,
      remedy: 'Restore journal.urls and journal.tables, or use new databases.',
    });
  if (version === SCHEMA_VERSION) return;
  for (const statement of schemaStatements(dialect, collation, part)) await session.run(statement, []);
  // Last: a migration that was cut off starts again.
  await session.run('DELETE FROM schema_version', []);
  await session.run('INSERT INTO schema_version (part, value) VALUES (?, ?), (?, ?)', [
    'schema',
    String(SCHEMA_VERSION),
    'journal',
    layout,
  ]);
}

/** Asks for every right the store needs by statements that touch no row. Rejects as the first refused one does. */
export async function probeRights(session: SqlSession, part: SchemaPart): Promise<void> {
  for (const { name, column } of schemaTables(part)) {
    await session.run(`INSERT INTO ${name} SELECT * FROM ${name} WHERE 1 = 0`, []);
    await session.run(`UPDATE ${name} SET ${column} = ${column} WHERE 1 = 0`, []);
    await session.run(`DELETE FROM ${name} WHERE 1 = 0`, []);
  }
}

async function storedSchema(session: SqlSession, dialect: Dialect): Promise<Map<string, string> | null> {
  const catalog =
    dialect.name === 'mysql'
      ? "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'schema_version'"
      : "SELECT 1 FROM sqlite_master WHERE name = 'schema_version'";
  if ((await session.run(catalog, [])).rows.length === 0) return null;
  const { rows } = await session.run('SELECT part, value FROM schema_version', []);
  return new Map(rows.map((row) => [String(row.part), String(row.value)]));
}
