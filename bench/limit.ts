import { Agent, request } from 'node:http';
import type { Change, LogRecord, Table } from '../src/pipeline/change.ts';
import { versionOf } from '../src/pipeline/change.ts';
import { textOf } from '../src/pipeline/json-document.ts';
import type { RecordFormat } from '../src/pipeline/ports.ts';
import { PartitionLog } from '../src/pipeline/position.ts';
import { defaultFormat } from './default-format.ts';
import { IndicesUnderTest } from './indices-under-test.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import { logRecords, TOPIC } from './record-feed.ts';
import type { Places, RunNotes, Scenario } from './scenario.ts';

/** How a client of Elasticsearch posts. */
export interface BulkSetting {
  readonly documents: number;
  readonly inFlight: number;
}

/** One of the best settings of the bare client. */
export const GOOD_BULK: BulkSetting = { documents: 2000, inFlight: 2 };

interface Ready {
  readonly indices: IndicesUnderTest;
  readonly bodies: readonly Ndjson[];
}

interface Ndjson {
  readonly url: string;
  readonly body: Buffer;
}

/** Changes that are taken of a partition before the next one's turn. */
const TURN = 1000;

/**
 * What Elasticsearch takes here: the documents of every change, ready as bulk bodies and versioned as sluice would, posted
 * by a bare client that keeps some requests in flight. Nothing is folded: a pipeline that folds may take in more rows than
 * this. Which setting is best depends on the machine and its state, so there are several.
 */
export function limit(
  { elasticsearch }: Required<Pick<Places, 'elasticsearch'>>,
  { documents, inFlight }: BulkSetting,
): Scenario {
  const ready = new Map<LoadSummary, Ready>();
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  return {
    async open(load: Load): Promise<void> {
      const { format, lookup } = defaultFormat(load.partitions.length);
      const indices = new IndicesUnderTest(elasticsearch.url, lookup, load.summary.shape);
      ready.set(load.summary, { indices, bodies: bulkBodies(parsed(load, format), documents, indices) });
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const { indices, bodies } = ready.get(load) as Ready;
      await indices.empty();
      let next = 0;
      let conflicts = 0;
      const client = async (): Promise<void> => {
        for (let one = bodies[next++]; one !== undefined; one = bodies[next++]) {
          const answer = await post(one, agent); // not inside the sum: two clients would lose each other's counts
          conflicts += conflictsIn(answer);
        }
      };
      meter.start();
      await Promise.all(Array.from({ length: inFlight }, client));
      meter.stop();
      const indexWrites = await indices.writes();
      await indices.check(load);
      return { indexWrites, notes: conflicts === 0 ? {} : { conflicts } };
    },
    async close() {
      agent.destroy();
    },
  };
}

/** The changes of a load as the format makes them, partitions in turn as a consumer meets them. */
function parsed(load: Load, format: RecordFormat): readonly Change[] {
  const records = logRecords(load.partitions);
  const changes: Change[] = [];
  for (let from = 0; records.some((some) => from < some.length); from += TURN) {
    for (const [partition, some] of records.entries()) changes.push(...parse(some.slice(from, from + TURN), partition));
  }
  if (changes.length === 0) throw new Error('a load without changes has no limit');
  return changes;

  function parse(some: readonly LogRecord[], partition: number): readonly Change[] {
    const log = new PartitionLog(TOPIC, partition, 0);
    const ticket = log.admit(0, some.length, null);
    return format.parse({ topic: TOPIC, partition, epoch: 0, records: some, ticket }).changes;
  }
}

/** Bodies of each table, in the order in which they are full. */
function bulkBodies(changes: readonly Change[], documents: number, indices: IndicesUnderTest): readonly Ndjson[] {
  const bodies: Ndjson[] = [];
  const open = new Map<Table, string[]>();
  const close = (table: Table, lines: string[]): void => {
    const url = `${indices.of(table).bulkUrl}?filter_path=items.*.status`;
    bodies.push({ url, body: Buffer.from(lines.splice(0).join('')) });
  };
  for (const { document, key, offset, table } of changes) {
    const action = { index: { _id: key, version: versionOf(0, offset), version_type: 'external_gte' } };
    const lines = open.get(table) ?? [];
    open.set(table, lines);
    lines.push(`${JSON.stringify(action)}\n${textOf(document)}\n`);
    if (lines.length === documents) close(table, lines);
  }
  for (const [table, lines] of open) if (lines.length > 0) close(table, lines);
  return bodies;
}

function post({ url, body }: Ndjson, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-ndjson', 'content-length': body.length };
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('error', reject).on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`a bulk request was answered with ${response.statusCode}`));
      });
    });
    sent.on('error', reject).end(body);
  });
}

/** Documents that were there in a newer version already: two requests of one key may overtake each other. */
function conflictsIn(answer: string): number {
  const { items } = JSON.parse(answer) as { items: readonly { index: { status: number } }[] };
  let conflicts = 0;
  for (const { index } of items) {
    if (index.status === 409) conflicts += 1;
    else if (index.status > 201) throw new Error(`a document was answered with ${index.status}`);
  }
  return conflicts;
}
