import { hash } from 'node:crypto';
import type { Table } from './change.ts';
import { SluiceError } from './errors.ts';
import { matchesGlob } from './glob.ts';

/** One entry of the configuration key `tables`. The first rule whose `match` fits a table decides about it. */
export interface TableRuleConfig {
  /** `database.table`; `*` stands for any text, `?` for one character. Case-sensitive. */
  readonly match: string;
  /** Index name with `{database}` and `{table}`; default `{database}_{table}`. Lower-cased, illegal characters escaped. */
  readonly index?: string | undefined;
  /** Columns that make the document id, in this order. Default: the primary key in table-column order. */
  readonly keyColumns?: readonly string[] | undefined;
  /** Only these columns go into the document. Default: all. */
  readonly include?: readonly string[] | undefined;
  /** These columns stay out of the document. Default: none. */
  readonly exclude?: readonly string[] | undefined;
  /** What TRUNCATE, DROP and RENAME do: `alarm` (default) or `ignore`. */
  readonly truncate?: 'alarm' | 'ignore' | 'apply' | undefined;
  /** DECIMAL as text (default, exact) or as a JSON number. */
  readonly decimals?: 'string' | 'number' | undefined;
  /** tinyint(1) as a number (default) or as a boolean, where 0 is false and all else true. */
  readonly booleans?: 'number' | 'boolean' | undefined;
  /** IANA zone of the Canal JVM, in which TIMESTAMP texts are written. Default `UTC`. */
  readonly canalZone?: string | undefined;
}

export interface TablesConfig {
  /** Empty or absent: every table is routed, but for system schemas and sluice's own tables. */
  readonly rules?: readonly TableRuleConfig[] | undefined;
  /** Tables known at a time, 10,000 by default: names come from messages, so their number is bounded. */
  readonly maxTables?: number | undefined;
  /** Databases in which sluice's store keeps its tables: when Canal captures them, they are not followed. */
  readonly storeDatabases?: readonly string[] | undefined;
}

/** A rule with every default filled in. */
export interface TableRule {
  readonly match: string;
  readonly index: string;
  readonly keyColumns: readonly string[] | null;
  readonly include: ReadonlySet<string> | null;
  readonly exclude: ReadonlySet<string> | null;
  readonly truncate: 'alarm' | 'ignore';
  readonly decimals: 'string' | 'number';
  readonly booleans: 'number' | 'boolean';
  readonly canalZone: string;
}

export interface RoutedTable {
  readonly table: Table;
  readonly rule: TableRule;
}

/** A table that is routed but cannot be served: its rows are rejected with this reason. */
export interface RefusedTable {
  readonly refused: 'index-taken' | 'too-many-tables';
  readonly detail: string;
}

export interface Tables {
  /** The table and its rule; null when no rule routes it. Always the same answer (and object) for the same name. */
  lookup(database: string, name: string): RoutedTable | RefusedTable | null;
  /** The rule of a table, without taking the table up: for statements that only mention it. */
  ruleOf(database: string, name: string): TableRule | null;
}

const SYSTEM_SCHEMAS = new Set(['mysql', 'information_schema', 'performance_schema', 'sys']);
/** Tables that sluice writes: following them would make every change cause the next one. */
const OWN_TABLE = /^(buffer_backup(_\d+)?|sync_monitor|sluice_.*)$/i;
/** The same, with names that others may use too: only in the store's own databases. */
const STORE_TABLE =
  /^(journal_\d+|journal_gaps|parked_keys|dead_letters|stream_registry|stream_positions|position_times|index_pairings|schema_version)$/i;
const MAX_INDEX_BYTES = 255;

/**
 * Decides which tables are followed, and gives each one object and one index for the life of the process.
 *
 * @throws SluiceError E1001 on a rule that cannot be meant: an unknown zone, a shared index, the same match twice.
 */
export function tables(config: TablesConfig = {}): Tables {
  const maxTables = config.maxTables ?? 10_000;
  const rules = (config.rules?.length ? config.rules : [{ match: '*' }]).map(checkedRule);
  refuseConflicts(rules);
  const known = new Map<string, Map<string, RoutedTable | RefusedTable>>();
  const owners = new Map<string, Table>();

  const storeDatabases = new Set(config.storeDatabases);
  const ruleOf = (database: string, name: string): TableRule | null => {
    if (database === '' || name === '' || SYSTEM_SCHEMAS.has(database.toLowerCase()) || OWN_TABLE.test(name))
      return null;
    if (storeDatabases.has(database) && STORE_TABLE.test(name)) return null;
    const qualified = `${database}.${name}`;
    return rules.find(({ match }) => matchesGlob(match, qualified)) ?? null;
  };

  const takeUp = (database: string, name: string, rule: TableRule): RoutedTable | RefusedTable => {
    const index = indexNameOf(rule.index, database, name);
    const owner = owners.get(index);
    if (owner) return { refused: 'index-taken', detail: `index ${index} belongs to table ${owner.qualified}` };
    const table: Table = { database, name, qualified: `${database}.${name}`, index, mapping: null };
    owners.set(index, table);
    return { table, rule };
  };

  return {
    ruleOf,
    lookup(database, name) {
      const cached = known.get(database)?.get(name);
      if (cached) return cached;
      const rule = ruleOf(database, name);
      if (!rule) return null;
      if (owners.size >= maxTables)
        return { refused: 'too-many-tables', detail: `more than ${maxTables} tables are routed` };
      const entry = takeUp(database, name, rule);
      // A refused name is worked out again each time: only what the bound above counts may stay.
      if ('table' in entry) {
        const names = known.get(database) ?? new Map<string, RoutedTable>();
        known.set(database, names.set(name, entry));
      }
      return entry;
    },
  };
}

/**
 * Makes an index name that Elasticsearch takes: lower case; what is not a letter, a digit or one of `_ - + = @ . ~` is
 * written as `~` and the hex of its UTF-8 bytes, as are a leading `- _ + .` and `~` itself; above 255 bytes the rest is a hash.
 */
export function indexNameOf(template: string, database: string, table: string): string {
  const text = template.replaceAll(/\{(database|table)\}/g, (_, part) => (part === 'table' ? table : database));
  const escaped = text
    .toLowerCase()
    .replaceAll(/[^\p{Ll}\p{Lo}\p{M}\p{Nd}_\-+=@.]/gu, hexOf)
    .replace(/^[-_+.]/, hexOf);
  if (Buffer.byteLength(escaped) <= MAX_INDEX_BYTES) return escaped;
  // `~~` cannot come from an escape, so a cut name never equals a whole one.
  const cut = Buffer.from(escaped).subarray(0, 180).toString().replace(/�+$/, '');
  return `${cut}~~${hash('sha256', escaped, 'hex').slice(0, 40)}`;
}

function hexOf(character: string): string {
  return Buffer.from(character).toString('hex').replaceAll(/../g, '~$&');
}

function checkedRule(rule: TableRuleConfig): TableRule {
  const index = rule.index ?? '{database}_{table}';
  const canalZone = rule.canalZone ?? 'UTC';
  if (!/^[^.]+\..+$|^\*$/.test(rule.match)) {
    throw wrong(rule, 'match is not database.table', 'Write database.table; * stands for any text.');
  }
  if (rule.truncate === 'apply') {
    throw wrong(rule, 'truncate: apply is not supported yet', 'Use alarm or ignore.');
  }
  if (!isZone(canalZone))
    throw wrong(rule, 'canalZone is no IANA time zone', 'Use a name such as UTC or Asia/Shanghai.');
  if (/[*?]/.test(rule.match) && !index.includes('{table}')) {
    throw wrong(rule, 'several tables would share one index', 'Put {table} into the index name.');
  }
  if (rule.keyColumns?.length === 0) throw wrong(rule, 'keyColumns is empty', 'Name a column or leave the key out.');
  return {
    match: rule.match,
    index,
    keyColumns: rule.keyColumns ?? null,
    include: rule.include ? new Set(rule.include) : null,
    exclude: rule.exclude ? new Set(rule.exclude) : null,
    truncate: rule.truncate ?? 'alarm',
    decimals: rule.decimals ?? 'string',
    booleans: rule.booleans ?? 'number',
    canalZone,
  };
}

function refuseConflicts(rules: readonly TableRule[]): void {
  const matches = new Set<string>();
  const indexes = new Map<string, string>();
  for (const rule of rules) {
    if (matches.has(rule.match)) throw wrong(rule, 'the same match stands twice', 'Keep one of the two rules.');
    matches.add(rule.match);
    if (/[*?]/.test(rule.match)) continue;
    const dot = rule.match.indexOf('.');
    const index = indexNameOf(rule.index, rule.match.slice(0, dot), rule.match.slice(dot + 1));
    if (indexes.has(index)) {
      throw wrong(rule, `index ${index} is also that of ${indexes.get(index)}`, 'Give each table its own index.');
    }
    indexes.set(index, rule.match);
  }
}

function wrong(rule: { match: string }, problem: string, remedy: string): SluiceError {
  return new SluiceError('E1001', `Table rule ${JSON.stringify(rule.match)} is not usable`, {
    detail: problem,
    remedy,
  });
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
