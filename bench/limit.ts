import { Agent, request } from 'node:http';
import type { Change, LogRecord, Table } from '../src/pipeline/change.ts';
import { versionOf } from '../src/pipeline/change.ts';
import { PartitionLog } from '../src/pipeline/position.ts';
import { defaultFormat } from './default-format.ts';
import { IndexUnderTest } from './index-under-test.ts';
import type { Load, LoadSummary } from './load.ts';
import type { Meter } from './meter.ts';
import { logRecords, TOPIC } from './record-feed.ts';
import type { Places, RunNotes, Scenario } from './scenario.ts';

const DOCUMENTS = 1000;
const IN_FLIGHT = 2;

interface Ready {
  readonly index: IndexUnderTest;
  readonly bodies: readonly Buffer[];
}

/**
 * What Elasticsearch takes here: the documents of every change, ready as bulk bodies and versioned as sluice would, posted
 * by a bare client, two requests of 1000 at a time. Nothing is folded: a pipeline that folds may take in more rows than this.
 */
export function limit({ elasticsearch }: Required<Pick<Places, 'elasticsearch'>>): Scenario {
  const ready = new Map<LoadSummary, Ready>();
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  return {
    async open(load: Load): Promise<void> {
      const { table, changes } = parsed(load);
      ready.set(load.summary, { index: new IndexUnderTest(elasticsearch.url, table), bodies: bulkBodies(changes) });
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const { index, bodies } = ready.get(load) as Ready;
      await index.empty();
      const url = `${index.bulkUrl}?filter_path=items.*.status`;
      let next = 0;
      let conflicts = 0;
      const client = async (): Promise<void> => {
        for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
          const answer = await post(url, body, agent); // not inside the sum: two clients would lose each other's counts
          conflicts += conflictsIn(answer);
        }
      };
      meter.start();
      await Promise.all(Array.from({ length: IN_FLIGHT }, client));
      meter.stop();
      const indexWrites = await index.writes();
      await index.check(load);
      return { indexWrites, notes: conflicts === 0 ? {} : { conflicts } };
    },
    async close() {
      agent.destroy();
    },
  };
}

/** The changes of a load as the format makes them, partitions in turn as a consumer meets them. */
function parsed(load: Load): { table: Table; changes: readonly Change[] } {
  const { format } = defaultFormat(load.partitions.length);
  const records = logRecords(load);
  const changes: Change[] = [];
  for (let from = 0; records.some((some) => from < some.length); from += DOCUMENTS) {
    for (const [partition, some] of records.entries())
      changes.push(...parse(some.slice(from, from + DOCUMENTS), partition));
  }
  const [first] = changes;
  if (first === undefined) throw new Error('a load without changes has no limit');
  return { table: first.table, changes };

  function parse(some: readonly LogRecord[], partition: number): readonly Change[] {
    const log = new PartitionLog(TOPIC, partition, 0);
    const ticket = log.admit(0, some.length, null);
    return format.parse({ topic: TOPIC, partition, epoch: 0, records: some, ticket }).changes;
  }
}

function bulkBodies(changes: readonly Change[]): readonly Buffer[] {
  const bodies: Buffer[] = [];
  for (let from = 0; from < changes.length; from += DOCUMENTS) {
    const lines = changes.slice(from, from + DOCUMENTS).map(({ key, offset, document }) => {
      const action = { index: { _id: key, version: versionOf(0, offset), version_type: 'external_gte' } };
      return `${JSON.stringify(action)}\n${document}\n`;
    });
    bodies.push(Buffer.from(lines.join('')));
  }
  return bodies;
}

function post(url: string, body: Buffer, agent: Agent): Promise<string> {
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
