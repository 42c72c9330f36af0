import assert from 'node:assert/strict';
import kafkajs, { type Admin } from 'kafkajs';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { checksumOf } from '../../src/pipeline/change.ts';
import { documentOf } from '../../src/pipeline/json-document.ts';
import { ElasticsearchReader } from './elasticsearch-reader.ts';
import { eventually } from './eventually.ts';
import type { LoadWriter, WrittenChange } from './load-writer.ts';

/** What a load went through, and where its end can be seen. */
export interface Deployment {
  readonly writer: LoadWriter;
  readonly groupId: string;
  readonly elasticsearch: { readonly url: string };
  /** The database of the store, as sluice is told. */
  readonly storeUrl: string;
}

export interface Gap {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** More than this says no more. */
const MOST_PROBLEMS = 10;

/**
 * Waits until all that was written is committed and nothing is parked, then holds every key's document and version in
 * Elasticsearch, and every row of the journal, against what was written. The load must have stopped.
 *
 * `isJournalWhole` false: gaps may be there; each must list exactly what the journal lacks. With `mayGapsOverlap` rows of
 * a gap may be in the journal after all, as when a crash made sluice read them again. With `mayLettersBeClosed` there may
 * be dead letters, if all are closed.
 */
export async function expectConverged(
  deployment: Deployment,
  { isJournalWhole = true, mayGapsOverlap = false, mayLettersBeClosed = false, withinMs = 60_000 } = {},
): Promise<void> {
  const { groupId, storeUrl, writer } = deployment;
  await withAdmin(writer, async (admin) => {
    const ends = await admin.fetchTopicOffsets(writer.topic);
    assert.deepEqual(offsetsOf(ends), writer.ends, 'the log ends where the load says');
    await eventually(
      `${writer.topic} is committed to its end and nothing is parked`,
      async () => {
        assert.deepEqual(await committed(admin, groupId, writer), writer.ends);
        assert.equal(await parkedCount(storeUrl), 0);
        return true;
      },
      { withinMs, everyMs: 250 },
    );
  });
  assert.deepEqual(await wrongDocuments(deployment), [], 'documents and versions in Elasticsearch');
  const gaps = await journalGaps(storeUrl, writer.topic);
  if (isJournalWhole) assert.deepEqual(gaps, [], 'gaps of the journal');
  assert.deepEqual(await wrongJournal(deployment, gaps, mayGapsOverlap), [], 'rows of the journal');
  const letters = await query<{ state: string }>(storeUrl, 'SELECT state, reason, detail FROM dead_letters');
  const wrong = mayLettersBeClosed ? letters.filter(({ state }) => state !== 'closed') : letters;
  assert.deepEqual(wrong, [], 'dead letters');
}

/**
 * What the committed offsets have passed although it is neither in the index (as itself or as something newer), nor parked,
 * nor in a letter, or is missing from the journal: nothing, at any time. The load may run. While Elasticsearch is down,
 * `documents` says what it held when it went.
 */
export async function passedTooEarly(deployment: Deployment, documents?: IndexedDocuments): Promise<string[]> {
  const { groupId, storeUrl, writer } = deployment;
  // Before everything else: what comes to the index or the store meanwhile only helps.
  const offsets = await committedOffsets(deployment);
  const indexed = documents ?? (await indexedDocuments(deployment));
  const below = writer.changes.filter(({ offset, partition }) => offset < (offsets[partition] as number));
  const newest = new Map(below.map((change) => [change.key, change]));
  const lastDelete = new Map(writer.changes.filter(({ op }) => op === 'delete').map((change) => [change.key, change]));
  const kept = await query<{ key: string; version: number }>(
    storeUrl,
    `SELECT CONVERT(primary_key USING utf8mb4) AS \`key\`, version FROM parked_keys WHERE topic = ?
     UNION ALL SELECT CONVERT(primary_key USING utf8mb4), version FROM dead_letters WHERE topic = ?`,
    [writer.topic, writer.topic],
  );
  const stored = new Map<string, number>();
  for (const { key, version } of kept) stored.set(key, Math.max(version, stored.get(key) ?? 0));
  const problems: string[] = [];
  for (const change of newest.values()) {
    const { key, offset, op } = change;
    const document = indexed.get(key);
    const isIndexed =
      document === undefined
        ? op === 'delete' || (documents === undefined && (lastDelete.get(key)?.offset ?? -1) > offset)
        : document.version > offset + 1 || (document.version === offset + 1 && op === 'upsert');
    if (!isIndexed && (stored.get(key) ?? 0) < offset + 1) problems.push(`${nameOf(change)} of group ${groupId}`);
  }
  const gaps = await journalGaps(storeUrl, writer.topic);
  const journal = await readJournal(storeUrl, writer.topic);
  for (const change of below) {
    if (!journal.has(nameOf(change)) && !gaps.some((gap) => covers(gap, change)))
      problems.push(`${nameOf(change)} is not in the journal`);
  }
  return problems.slice(0, MOST_PROBLEMS);
}

/** The committed offset of each partition; 0 where nothing is committed yet. */
export function committedOffsets({ groupId, writer }: Pick<Deployment, 'groupId' | 'writer'>): Promise<number[]> {
  return withAdmin(writer, (admin) => committed(admin, groupId, writer));
}

export async function parkedCount(storeUrl: string): Promise<number> {
  const [row] = await query<{ count: number }>(storeUrl, 'SELECT COUNT(*) AS count FROM parked_keys');
  return row?.count ?? 0;
}

/** Gaps of a topic's journal, by partition and offset. */
export async function journalGaps(storeUrl: string, topic: string): Promise<Gap[]> {
  const rows = await query<Gap>(
    storeUrl,
    `SELECT partition_no AS \`partition\`, from_offset AS \`from\`, to_offset AS \`to\` FROM journal_gaps
     WHERE topic = ? ORDER BY partition_no, from_offset`,
    [topic],
  );
  return rows.map(({ from, partition, to }) => ({ partition, from, to }));
}

/** Rows of a query on the store, as a client with no ties to sluice sees them. */
export async function query<Row>(storeUrl: string, sql: string, values: (string | number)[] = []): Promise<Row[]> {
  const connection = await createConnection(storeUrl);
  try {
    const [rows] = await connection.query<(Row & RowDataPacket)[]>(sql, values);
    return rows;
  } finally {
    await connection.end();
  }
}

/** Makes a database for a store of one's own on a shared server; its name must begin with `sluice_`. Returns its URL. */
export async function createStore(serverUrl: string, database: string): Promise<string> {
  await query(serverUrl, `CREATE DATABASE ${database}`);
  return serverUrl.replace(/sluice$/, database);
}

async function wrongDocuments(deployment: Deployment): Promise<string[]> {
  const { writer } = deployment;
  const documents = await indexedDocuments(deployment);
  const problems: string[] = [];
  for (const [key, { document, version }] of writer.expected) {
    const found = documents.get(key);
    if (document === null) {
      if (found) problems.push(`extra: ${key} is there at ${found.version}, deleted at ${version}`);
    } else if (!found) problems.push(`missing: ${key}, written at ${version}`);
    else if (found.version !== version) problems.push(`stale: ${key} is at ${found.version}, written at ${version}`);
    else if (found.source !== document) problems.push(`wrong: ${key} is ${found.source}, not ${document}`);
  }
  for (const key of documents.keys()) if (!writer.expected.has(key)) problems.push(`extra: ${key} was never written`);
  return problems.slice(0, MOST_PROBLEMS);
}

export type IndexedDocuments = ReadonlyMap<string, { readonly version: number; readonly source: string }>;

/** Every document that a search sees after a refresh; none when there is no index. */
export async function indexedDocuments({ elasticsearch, writer }: Deployment): Promise<IndexedDocuments> {
  const { index } = writer;
  const reader = new ElasticsearchReader(elasticsearch.url);
  const documents = new Map<string, { version: number; source: string }>();
  const refreshed = await reader.request('POST', `/${index}/_refresh`);
  if (refreshed.status === 404) return documents;
  const ask = async (path: string, body: object): Promise<Page> => {
    const { status, text } = await reader.request('POST', path, body);
    assert.equal(status, 200, text);
    return JSON.parse(text) as Page;
  };
  let page = await ask(`/${index}/_search?scroll=1m`, { size: 5000, version: true, sort: ['_doc'] });
  while (page.hits.hits.length > 0) {
    for (const { _id, _source, _version } of page.hits.hits)
      documents.set(_id, { version: _version, source: JSON.stringify(_source) });
    page = await ask('/_search/scroll', { scroll: '1m', scroll_id: page._scroll_id });
  }
  await reader.request('DELETE', '/_search/scroll', { scroll_id: page._scroll_id });
  return documents;
}

interface Page {
  readonly _scroll_id: string;
  readonly hits: {
    readonly hits: readonly { readonly _id: string; readonly _version: number; readonly _source: object }[];
  };
}

async function wrongJournal({ storeUrl, writer }: Deployment, gaps: readonly Gap[], mayOverlap: boolean) {
  const journal = await readJournal(storeUrl, writer.topic);
  const written = new Set(writer.changes.map(nameOf));
  const problems: string[] = [];
  for (const change of writer.changes) {
    if (!journal.has(nameOf(change)) && !gaps.some((gap) => covers(gap, change)))
      problems.push(`missing, in no gap: ${nameOf(change)}`);
  }
  for (const name of journal) if (!written.has(name)) problems.push(`never written: ${name}`);
  if (!mayOverlap) for (const gap of gaps) problems.push(...presentIn(gap, writer.changes, journal));
  return problems.slice(0, MOST_PROBLEMS);
}

/**
 * What a gap lists although the journal has it. Deletes are there, since each must be durable; so may be the beginning of
 * the gap: the rows of an append whose answer was lost.
 */
function presentIn(gap: Gap, changes: readonly WrittenChange[], journal: ReadonlySet<string>): string[] {
  const covered = changes.filter((change) => covers(gap, change));
  const upserts = covered.filter(({ op }) => op === 'upsert');
  const firstMissing = upserts.findIndex((change) => !journal.has(nameOf(change)));
  if (firstMissing === -1) return [`gap ${gap.from} to ${gap.to} lists nothing that is missing`];
  return [
    ...covered.filter((change) => change.op === 'delete' && !journal.has(nameOf(change))),
    ...upserts.slice(firstMissing).filter((change) => journal.has(nameOf(change))),
  ].map((change) => `gap ${gap.from} to ${gap.to} is wrong about ${nameOf(change)}`);
}

async function readJournal(storeUrl: string, topic: string): Promise<Set<string>> {
  const rows = await query<Omit<WrittenChange, 'op' | 'document'> & { sha1: string }>(
    storeUrl,
    `SELECT partition_no AS \`partition\`, record_offset AS \`offset\`, ordinal, operation,
       CONVERT(primary_key USING utf8mb4) AS \`key\`, SHA1(data) AS sha1
     FROM buffer_backup WHERE topic = ? AND checksum = SHA1(data) AND version = record_offset + 1`,
    [topic],
  );
  return new Set(rows.map((row) => lineOf(row, row.sha1)));
}

function nameOf(change: WrittenChange): string {
  return lineOf(change, checksumOf(documentOf(change.document)));
}

function lineOf(change: Omit<WrittenChange, 'op' | 'document'>, sha1: string): string {
  const { key, offset, operation, ordinal, partition } = change;
  return `${partition}@${offset}.${ordinal} ${operation} ${key} ${sha1}`;
}

function covers({ from, partition, to }: Gap, change: WrittenChange): boolean {
  return change.partition === partition && change.offset >= from && change.offset <= to;
}

async function committed(admin: Admin, groupId: string, { ends, topic }: LoadWriter): Promise<number[]> {
  const [own] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const found = offsetsOf(own?.partitions ?? []);
  return ends.map((_, partition) => Math.max(0, found[partition] ?? 0));
}

function offsetsOf(partitions: readonly { readonly partition: number; readonly offset: string }[]): number[] {
  return [...partitions].sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
}

async function withAdmin<T>({ brokers }: LoadWriter, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}
