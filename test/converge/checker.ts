import { checksumOf } from '../../src/pipeline/change.ts';
import { documentOf } from '../../src/pipeline/json-document.ts';
import { ElasticsearchReader } from '../support/elasticsearch-reader.ts';
import { committedOffsets, type Gap, journalGaps, parkedCount, query } from '../support/expect-converged.ts';
import type { ExpectedState, LoadWriter, WrittenChange } from '../support/load-writer.ts';

export interface Watched {
  readonly writer: LoadWriter;
  readonly groupId: string;
  readonly elasticsearch: { readonly url: string };
  readonly storeUrl: string;
}

export interface Found {
  readonly version: number;
  readonly source: string;
}

/** How the index differs from what was written: keys, each under one heading, and the first few in words. */
export interface Difference {
  /** Should be there and is not. */
  missing: number;
  /** Should not be there and is. */
  extra: number;
  /** Is at an older version. */
  stale: number;
  /** Is at the right version with another text, or at a version that nobody wrote. */
  wrong: number;
  readonly problems: string[];
}

const MOST_PROBLEMS = 20;
const PAGE = 1000;

/** All that was written is committed, and nothing is parked: from here on the index must be right, but for ghosts of deletes. */
export async function isAtRest({ groupId, storeUrl, writer }: Watched): Promise<boolean> {
  const committed = await committedOffsets({ groupId, writer });
  return committed.every((offset, i) => offset === writer.ends[i]) && (await parkedCount(storeUrl)) === 0;
}

export async function lag({ groupId, writer }: Pick<Watched, 'groupId' | 'writer'>): Promise<number> {
  const committed = await committedOffsets({ groupId, writer });
  return writer.ends.reduce((sum, end, i) => sum + end - (committed[i] ?? 0), 0);
}

/** Every key that ever was by realtime reads, and every id that a search sees. */
export async function compareIndex({ elasticsearch, writer }: Watched): Promise<Difference> {
  const reader = new ElasticsearchReader(elasticsearch.url);
  const found = await realtime(reader, writer.index, [...writer.expected.keys()]);
  for (const [id, version] of await reader.versions(writer.index)) {
    if (!found.has(id) && !writer.expected.has(id)) found.set(id, { version, source: '' });
  }
  return differenceOf(writer.expected, found);
}

export function differenceOf(
  expected: ReadonlyMap<string, ExpectedState>,
  found: ReadonlyMap<string, Found>,
): Difference {
  const difference: Difference = { missing: 0, extra: 0, stale: 0, wrong: 0, problems: [] };
  const tell = (heading: 'missing' | 'extra' | 'stale' | 'wrong', detail: string): void => {
    difference[heading] += 1;
    if (difference.problems.length < MOST_PROBLEMS) difference.problems.push(`${heading}: ${detail}`);
  };
  for (const [key, { document, partition, version }] of expected) {
    const place = `key ${key} of partition ${partition}`;
    const one = found.get(key);
    if (document === null) {
      if (one !== undefined) tell('extra', `${place} is there at ${one.version}, deleted at ${version}`);
    } else if (one === undefined) tell('missing', `${place}, written at ${version}`);
    else if (one.version < version) tell('stale', `${place} is at ${one.version}, written at ${version}`);
    else if (one.version > version) tell('wrong', `${place} is at ${one.version}, but was last written at ${version}`);
    else if (one.source !== document) tell('wrong', `${place} at ${version} has another text`);
  }
  for (const [key, { version }] of found) {
    if (!expected.has(key)) tell('extra', `key ${key} was never written and is at ${version}`);
  }
  return difference;
}

/** What a journal row says, for comparison. */
export interface JournalRow {
  readonly partition: number;
  readonly offset: number;
  readonly ordinal: number;
  readonly key: string;
  readonly operation: string;
  readonly sha1: string;
}

/** Changes that are in the journal under no row and in no gap, and rows that nobody wrote; and how many changes only a gap covers. */
export async function compareJournal({ storeUrl, writer }: Watched): Promise<{ inGaps: number; problems: string[] }> {
  const rows = await query<JournalRow>(
    storeUrl,
    `SELECT partition_no AS \`partition\`, record_offset AS \`offset\`, ordinal, operation,
       CONVERT(primary_key USING utf8mb4) AS \`key\`, checksum AS sha1
     FROM buffer_backup WHERE topic = ? AND version = record_offset + 1 AND checksum = SHA1(data)`,
    [writer.topic],
  );
  return journalDifference(writer.changes, rows, await journalGaps(storeUrl, writer.topic));
}

export function journalDifference(
  changes: readonly WrittenChange[],
  rows: readonly JournalRow[],
  gaps: readonly Gap[],
): { inGaps: number; problems: string[] } {
  const journal = new Set(rows.map(lineOf));
  const isInGap = ({ offset, partition }: WrittenChange): boolean =>
    gaps.some((gap) => gap.partition === partition && gap.from <= offset && offset <= gap.to);
  const problems: string[] = [];
  let inGaps = 0;
  for (const change of changes) {
    const line = lineOf({ ...change, sha1: checksumOf(documentOf(change.document)) });
    if (journal.delete(line)) continue;
    // A delete must be durable before the position passes it, gap or not.
    if (isInGap(change) && change.op !== 'delete') inGaps += 1;
    else problems.push(`not in the journal, ${isInGap(change) ? 'a delete in a gap' : 'in no gap'}: ${line}`);
  }
  for (const line of journal) problems.push(`in the journal, never written: ${line}`);
  return { inGaps, problems: problems.slice(0, MOST_PROBLEMS) };
}

/** What the store holds that it should not hold at rest: letters, positions elsewhere than at the end. */
export async function compareStore({ storeUrl, writer }: Watched): Promise<string[]> {
  const letters = await query<{ reason: string; count: number }>(
    storeUrl,
    'SELECT reason, COUNT(*) AS count FROM dead_letters GROUP BY reason',
  );
  const positions = await query<{ partition: number; settled: number }>(
    storeUrl,
    'SELECT partition_no AS `partition`, settled FROM stream_positions WHERE topic = ? ORDER BY partition_no',
    [writer.topic],
  );
  return [
    ...letters.map(({ count, reason }) => `${count} dead letters: ${reason}`),
    ...writer.ends.flatMap((end, partition) => {
      const settled = positions.find((one) => one.partition === partition)?.settled ?? 0;
      return settled === end ? [] : [`the stored position of partition ${partition} is ${settled}, not ${end}`];
    }),
  ];
}

function lineOf({ key, sha1, offset, operation, ordinal, partition }: JournalRow): string {
  return `${partition}@${offset}.${ordinal} ${operation} ${key} ${sha1}`;
}

async function realtime(
  reader: ElasticsearchReader,
  index: string,
  keys: readonly string[],
): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  for (let at = 0; at < keys.length; at += PAGE) {
    const ids = keys.slice(at, at + PAGE);
    const { status, text } = await reader.request('POST', `/${index}/_mget?realtime=true`, { ids });
    if (status !== 200) throw new Error(`_mget answered ${status}: ${text.slice(0, 200)}`);
    const { docs } = JSON.parse(text) as {
      docs: { _id: string; found?: boolean; _version?: number; _source?: object; error?: { type?: string } }[];
    };
    for (const doc of docs) {
      if (doc.error !== undefined) throw new Error(`_mget of one document answered ${doc.error.type}`);
      if (doc.found === true) found.set(doc._id, { version: doc._version ?? 0, source: JSON.stringify(doc._source) });
    }
  }
  return found;
}
