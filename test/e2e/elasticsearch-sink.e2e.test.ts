import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Outcome } from '../../src/pipeline/ports.ts';
import { type ElasticsearchSink, elasticsearchSink } from '../../src/sinks/elasticsearch-sink.ts';
import {
  deleteOf,
  freshIndexTable,
  testIndexSinkConformance,
  upsertOf,
  versionsOf,
  write,
} from '../conformance/index-sink.ts';
import { type Elasticsearch, startElasticsearch } from './stack.ts';

const done: Outcome = { kind: 'done', conflict: false };
const conflict: Outcome = { kind: 'done', conflict: true };

let server: Elasticsearch;
let sink: ElasticsearchSink;

before(async () => {
  server = await startElasticsearch();
  // A thousand indices are made here, each with a shard.
  await call('PUT', '/_cluster/settings', { persistent: { 'cluster.max_shards_per_node': 5000 } });
  sink = openSink();
});
after(async () => {
  await sink?.close();
  await server?.remove();
});

const openSink = (rest: object = {}): ElasticsearchSink =>
  elasticsearchSink({ nodes: [server.url], replicas: 0, ...rest });

testIndexSinkConformance(
  'elasticsearch',
  async () => {
    const sink = openSink();
    return { sink, documents, close: () => sink.close() };
  },
  10,
);

describe('an index made by the sink', () => {
  test('remembers deletes for an hour, guesses no dates and has the columns of the table', async () => {
    const table = freshIndexTable({ id: { type: 'long' }, name: { type: 'keyword' } });
    await write(sink, [upsertOf(table, 'a', 1, '{"id":1,"name":"x","noted":"2024-01-01","text":"y"}')]);
    const found = (await call('GET', `/${table.index}?flat_settings=true`))[table.index];
    assert.equal(found.settings['index.gc_deletes'], '1h');
    assert.equal(found.mappings.date_detection, false);
    assert.deepEqual(found.mappings.properties.id, { type: 'long' });
    assert.equal(found.mappings.properties.noted.type, 'text');
    assert.equal(found.mappings.properties.text.fields.keyword.type, 'keyword');
    assert.deepEqual(sink.warnings, []);
  });

  test('a field of a type the server lacks becomes a keyword', async () => {
    const table = freshIndexTable({ id: { type: 'long' }, big: { type: 'unsigned_long' } });
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 1, '{"id":1,"big":18446744073709551615}')]), [done]);
    assert.match(JSON.stringify(await propertiesOf(table.index)), /"big":\{"type":"(keyword|unsigned_long)"\},"id"/);
  });

  test('columns that come later are mapped before their first document', async () => {
    const table = freshIndexTable();
    await write(sink, [deleteOf(table, 'a', 1)]);
    table.mapping = { code: { type: 'keyword' } };
    await write(sink, [upsertOf(table, 'a', 2, '{"code":"1"}')]);
    table.mapping = { ...table.mapping, big: { type: 'unsigned_long' }, price: { type: 'double' } };
    const writes = [3, 4, 5].map((version) => write(sink, [upsertOf(table, 'a', version, '{"code":"1","price":2}')]));
    await Promise.all(writes);
    const properties = await propertiesOf(table.index);
    assert.deepEqual([properties.code, properties.price], [{ type: 'keyword' }, { type: 'double' }]);
  });
});

describe('an index that was there before', () => {
  test('keeps its settings and fields, gets the columns it lacks, and is warned of', async () => {
    const table = freshIndexTable({ id: { type: 'long' }, code: { type: 'keyword' } });
    await call('PUT', `/${table.index}`, { mappings: { properties: { id: { type: 'keyword' } } } });
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 1, '{"id":1,"code":"x"}')]), [done]);
    assert.deepEqual(await propertiesOf(table.index), { code: { type: 'keyword' }, id: { type: 'keyword' } });
    assert.ok(sink.warnings.some((warning) => warning.includes(table.index) && warning.includes('gc_deletes')));
  });

  test('whose mapping is closed to new fields gets none', async () => {
    const table = freshIndexTable({ id: { type: 'long' }, code: { type: 'keyword' } });
    const mappings = { dynamic: false, properties: { id: { type: 'keyword' } } };
    await call('PUT', `/${table.index}`, { mappings });
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 1, '{"id":1,"code":"x"}')]), [done]);
    assert.deepEqual(await propertiesOf(table.index), mappings.properties);
  });

  test('an alias writes to its write index, and holds without one', async () => {
    const table = freshIndexTable({ id: { type: 'long' } });
    const aliases = { [table.index]: { is_write_index: false } };
    await call('PUT', `/${table.index}-1`, { aliases });
    await call('PUT', `/${table.index}-2`, { aliases });
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 1)]), [held('no_write_index')]);
    await call('POST', '/_aliases', {
      actions: [{ add: { index: `${table.index}-2`, alias: table.index, is_write_index: true } }],
    });
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 1)]), [done]);
    assert.deepEqual([...(await documents(`${table.index}-2`)).keys()], ['a']);
  });

  test('an alias that loses its write index holds, even a document alone', async () => {
    const table = freshIndexTable();
    await call('PUT', `/${table.index}-1`, { aliases: { [table.index]: { is_write_index: true } } });
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 1)]), [done]);
    await call('POST', '/_aliases', {
      actions: [{ add: { index: `${table.index}-1`, alias: table.index, is_write_index: false } }],
    });
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 2)]), [held('no_write_index')]);
  });
});

describe('outcomes on a real server', () => {
  test('a document that contradicts the mapping is rejected beside others that are taken', async () => {
    const table = freshIndexTable({ n: { type: 'long' } });
    const outcomes = await write(sink, [
      upsertOf(table, 'a', 1, '{"n":1}'),
      upsertOf(table, 'b', 2, '{"n":"not a number at all"}'),
      upsertOf(table, 'c', 3, '{"n":3}'),
    ]);
    const detail = 'document_parsing_exception: field n of type long';
    assert.deepEqual(outcomes, [done, { kind: 'reject', errorType: 'document_parsing_exception', detail }, done]);
  });

  test('a term too long for the index is rejected', async () => {
    const table = freshIndexTable({ word: { type: 'keyword' } });
    const [outcome] = await write(sink, [upsertOf(table, 'a', 1, JSON.stringify({ word: 'x'.repeat(40_000) }))]);
    assert.equal(outcome?.kind, 'reject');
  });

  test('a mapping that contradicts every document holds the index', async () => {
    const table = freshIndexTable();
    await call('PUT', `/${table.index}`, { mappings: { dynamic: 'strict' } });
    const outcomes = await write(sink, [upsertOf(table, 'a', 1), upsertOf(table, 'b', 2)]);
    assert.deepEqual(outcomes, [held('strict_dynamic_mapping_exception'), held('strict_dynamic_mapping_exception')]);
  });

  test('a closed index holds, and takes documents when it is open again', async () => {
    const table = freshIndexTable();
    await write(sink, [upsertOf(table, 'a', 1)]);
    await call('POST', `/${table.index}/_close`);
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 2)]), [held('index_closed_exception')]);
    await call('POST', `/${table.index}/_open`);
    await call('GET', `/_cluster/health/${table.index}?wait_for_status=yellow`);
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 2)]), [done]);
  });

  test('a write block holds', async () => {
    const table = freshIndexTable();
    await write(sink, [upsertOf(table, 'a', 1)]);
    await call('PUT', `/${table.index}/_settings`, { 'index.blocks.read_only_allow_delete': true });
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 2)]), [held('cluster_block_exception')]);
  });

  test('a missing index holds where none may be made', async () => {
    const careful = openSink({ createIndexes: false });
    assert.deepEqual(await write(careful, [upsertOf(freshIndexTable(), 'a', 1)]), [held('index_not_found_exception')]);
    await careful.close();
  });

  test('a cluster without room for more shards holds', async () => {
    await call('PUT', '/_cluster/settings', { persistent: { 'cluster.max_shards_per_node': 1 } });
    try {
      assert.deepEqual(await write(sink, [upsertOf(freshIndexTable(), 'a', 1)]), [held('validation_exception')]);
    } finally {
      await call('PUT', '/_cluster/settings', { persistent: { 'cluster.max_shards_per_node': 5000 } });
    }
  });

  test('a key over 512 bytes makes Elasticsearch refuse the whole request: it is split down to a rejection', async () => {
    const table = freshIndexTable();
    const bad = upsertOf(table, 'k'.repeat(513), 2);
    const [a, b] = await write(sink, [upsertOf(table, 'a', 1), bad]);
    assert.deepEqual([a?.kind, b?.kind], ['split', 'split']);
    assert.deepEqual([(await write(sink, [bad]))[0]?.kind], ['reject']);
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 1)]), [done]);
  });

  test('several instances make one index together', async () => {
    const table = freshIndexTable({ n: { type: 'long' } });
    const sinks = [1, 2, 3, 4].map(() => openSink());
    const outcomes = await Promise.all(sinks.map((one, i) => write(one, [upsertOf(table, `k${i}`, 1)])));
    assert.deepEqual(outcomes.flat(), [done, done, done, done]);
    await Promise.all(sinks.map((one) => one.close()));
  });
});

test('an index that was closed and opened forgot its deletes, and its incarnation says so', async () => {
  // Its allocation and its node's start time stay the same: only the primary term tells.
  const table = freshIndexTable();
  await write(sink, [deleteOf(table, 'a', 7)]);
  assert.deepEqual(await write(sink, [upsertOf(table, 'a', 6)]), [conflict]);
  const before = await sink.incarnation();
  await call('POST', `/${table.index}/_close`);
  await call('POST', `/${table.index}/_open`);
  await call('GET', `/_cluster/health/${table.index}?wait_for_status=yellow`);
  assert.deepEqual(await write(sink, [upsertOf(table, 'a', 6)]), [done]);
  assert.notEqual(await sink.incarnation(), before);
});

describe('a server that crashes', () => {
  test('writes are to be sent again while it is down and are done when it is back; what it forgot shows in its incarnation', async () => {
    const table = freshIndexTable();
    await write(sink, [upsertOf(table, 'a', 5), upsertOf(table, 'b', 5), deleteOf(table, 'b', 7)]);
    const before = await sink.incarnation();
    await server.kill();
    const [down] = await write(sink, [upsertOf(table, 'a', 6)]);
    assert.deepEqual([down?.kind, down?.kind === 'retry' && down.errorType], ['retry', 'connection_failed']);
    await assert.rejects(sink.incarnation(), { code: 'E3001' });
    await assert.rejects(versionsOf(sink, table, ['a']), { code: 'E3001' });
    await assert.rejects(sink.ping(), { code: 'E3001', retriable: true });
    await server.start();
    await until(async () => (await write(sink, [upsertOf(table, 'a', 6)]))[0]?.kind === 'done');
    assert.deepEqual(await versionsOf(sink, table, ['a', 'b']), [6, null]);
    assert.deepEqual(await write(sink, [upsertOf(table, 'a', 5)]), [conflict]);
    await until(async () => {
      try {
        return (await sink.incarnation()) !== before;
      } catch {
        return false; // other shards still start
      }
    });
  });

  test('a server that answers nothing costs one time-out', async () => {
    const hasty = openSink({ requestTimeoutMs: 500 });
    const table = freshIndexTable();
    await write(sink, [upsertOf(table, 'a', 1)]);
    await write(hasty, [upsertOf(table, 'a', 1)]);
    await server.pause();
    try {
      const startedMs = performance.now();
      const [outcome] = await write(hasty, [upsertOf(table, 'a', 2)]);
      assert.deepEqual(outcome, { kind: 'retry', errorType: 'timeout', isOverload: false, retryAfterMs: null });
      assert.ok(performance.now() - startedMs < 2000);
    } finally {
      server.resume();
    }
    await until(async () => (await write(hasty, [upsertOf(table, 'a', 2)]))[0]?.kind === 'done');
    await hasty.close();
  });
});

function held(errorType: string): Outcome {
  return { kind: 'hold', scope: 'index', errorType };
}

async function documents(index: string): Promise<Map<string, { version: number; source: string }>> {
  await call('POST', `/${index}/_refresh`);
  const { hits } = await call('POST', `/${index}/_search`, { version: true, size: 2000, _source: false });
  const found = new Map<string, { version: number; source: string }>();
  for (const { _id: id, _version: version } of hits?.hits ?? []) {
    const text = await textOf('POST', `/${index}/_mget`, { ids: [id] });
    // The document stands in the answer byte for byte; parsing would round its numbers.
    const mark = '"found":true,"_source":';
    found.set(id, { version, source: text.slice(text.indexOf(mark) + mark.length, -'}]}'.length) });
  }
  return found;
}

// biome-ignore lint/suspicious/noExplicitAny: answers of Elasticsearch are read field by field
async function call(method: string, path: string, body?: object): Promise<any> {
  return JSON.parse(await textOf(method, path, body));
}

async function textOf(method: string, path: string, body?: object): Promise<string> {
  const answer = await fetch(server.url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return answer.text();
}

async function propertiesOf(index: string): Promise<Record<string, object>> {
  return (await call('GET', `/${index}/_mapping`))[index].mappings.properties;
}

/** Polls until the condition holds, for a minute at most. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, 'the condition did not come true in 60 s');
    await pause(100);
  }
}
