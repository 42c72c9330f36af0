import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { canalMessage, orderRow, type TestTable } from '../../support/canal-message.ts';
import { eventually } from '../../support/eventually.ts';
import { killRunning, SluiceProcess } from '../../support/sluice-process.ts';
import { type Elasticsearch, sharedStack } from '../stack.ts';
import { type Deployment, deployment } from './deployment.ts';

const LOAD_MS = 12_000;
const TICK_MS = 50;
const NOTES = 40;
const REFUSED = '7';
const RESETS = '13';
const HANGS = '21';

/** A gateway in front of Elasticsearch: slow with every bulk request, and it breaks at some documents until it is mended. */
class Gateway {
  isMended = false;
  private readonly server: Server;
  private readonly target: Elasticsearch;

  private constructor(target: Elasticsearch) {
    this.target = target;
    this.server = createServer((asked, answer) => void this.pass(asked, answer));
  }

  static async listen(target: Elasticsearch): Promise<Gateway> {
    const gateway = new Gateway(target);
    gateway.server.listen(0, '127.0.0.1');
    await once(gateway.server, 'listening');
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = Buffer.concat(await asked.toArray()).toString();
    if (!this.isMended && body.includes('breaks the gateway')) return void asked.socket.destroy();
    if (!this.isMended && body.includes('outlasts the gateway')) return; // never answered
    if (asked.url?.includes('_bulk')) await delay(300); // how slow a bulk request is, not a wait for anything
    const { headers, method = 'GET', url = '/' } = asked;
    const passed = request(`${this.target.url}${url}`, { method, headers }, (found) => {
      answer.writeHead(found.statusCode ?? 502, found.headers);
      found.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    passed.end(body);
  }
}

let own: Deployment;
let gateway: Gateway;
let notes: TestTable;
let frozen: TestTable;
const indexOf = ({ database, table }: TestTable): string => `${database}_${table}`;

before(async () => {
  const servers = await sharedStack('kafka', 'redis', 'mariadb', 'elasticsearch');
  own = await deployment('tails', servers);
  gateway = await Gateway.listen(servers.elasticsearch);
  const mysqlType = { id: 'bigint(20)', sent: 'varchar(40)', note: 'varchar(80)' };
  notes = { database: own.topic, table: 'notes', mysqlType, pkNames: ['id'] };
  frozen = { ...notes, table: 'frozen' };
  await put(`/${indexOf(notes)}`, { mappings: { properties: { sent: { type: 'date' } } } });
  await put(`/${indexOf(frozen)}`, { settings: { 'index.blocks.write': true } });
});

after(async () => {
  killRunning();
  gateway?.close();
  for (const table of [notes, frozen]) await own?.reader.request('DELETE', `/${indexOf(table)}`);
  await own?.remove();
});

test('a hot key, documents that spoil requests and a held index delay nobody else', async () => {
  // In the log before the start, so that all of it is one batch of each table.
  await send(Array.from({ length: NOTES }, (_, i) => noteOf(notes, i + 1)));
  await send([noteOf(frozen, 1), noteOf(frozen, 2), canalMessage(own.table, 'INSERT', [orderRow(1, 1)])]);
  const sluice = await SluiceProcess.start({
    ...own.config,
    window: { ms: 500, parkAfterWindows: 6 },
    index: {
      type: 'elasticsearch',
      nodes: [gateway.url],
      requestTimeoutMs: 1000,
      slots: 2,
      holdMs: 500,
      retry: { maxAttempts: 2, firstMs: 50, maxMs: 200 },
    },
  });
  const culprits = [REFUSED, RESETS, HANGS];
  await eventually('the hot row is indexed', async () => (await own.reader.source(own.index, '1')) !== null);
  await eventually('all others of the batch are indexed', async () => (await ids(notes)).length === NOTES - 3);
  await eventually('the two that spoil requests are parked', async () => String(await parked(notes)) === '13,21');
  await eventually('so are the keys of the held index', async () => String(await parked(frozen)) === '1,2');

  const { lateMs, hotGapMs, hotWrites, lastId } = await load(sluice);
  // A window, both slots busy with a slow request, and what this machine adds.
  assert.ok(lateMs < 4000, `a new row came ${lateMs} ms late`);
  assert.ok(hotGapMs < 4000, `the hot row was not written for ${hotGapMs} ms`);
  assert.ok(hotWrites >= 5, `the hot row was written ${hotWrites} times`);
  await eventually('the position has passed everything', async () => {
    const [end] = await own.admin.fetchTopicOffsets(own.topic);
    return (await own.committed())[0] === Number(end?.high);
  });
  assert.deepEqual(await own.rows("SELECT primary_key FROM dead_letters WHERE state = 'open'"), [[REFUSED]]);
  const missing = culprits.filter((id) => id !== REFUSED);
  assert.deepEqual(await parked(notes), missing);
  assert.match(sluice.output, /a document of \w+\.notes makes every request fail that it is in/);
  assert.doesNotMatch(sluice.output, /breaks the gateway|outlasts the gateway/, 'no row reaches the log');
  assert.equal(sluice.output.match(/_notes forgets deletes/g)?.length, 1, 'what is unfit is told, once');

  gateway.isMended = true;
  await put(`/${indexOf(frozen)}/_settings`, { 'index.blocks.write': false });
  const everything = async (): Promise<boolean> => {
    const [found, thawed] = [await ids(notes), await ids(frozen)];
    return missing.every((id) => found.includes(id)) && thawed.length === lastId - NOTES + 2;
  };
  // Parked keys come back when their back-off has passed.
  await eventually('everything is there', everything, { withinMs: 60_000 });
  await eventually('nothing is parked', async () => (await parked(notes)).length + (await parked(frozen)).length === 0);
  assert.equal(await sluice.stop(), 0, sluice.output);
});

/**
 * Changes one row without pause, each culprit again and again, and adds a row to each of the other tables now and then.
 * Returns how late a new row was at most, and how long the hot row was not written.
 */
async function load(sluice: SluiceProcess) {
  const startedMs = performance.now();
  let version = 1;
  let id = NOTES;
  let waiting: { id: number; sentMs: number } | null = null;
  let lateMs = 0;
  let hot = { version: 1, atMs: startedMs };
  let hotGapMs = 0;
  let hotWrites = 0;
  while (performance.now() - startedMs < LOAD_MS) {
    version += 1;
    const messages = [canalMessage(own.table, 'UPDATE', [orderRow(1, version)])];
    if (version % 10 === 0) messages.push(noteOf(notes, Number(RESETS)), noteOf(notes, Number(HANGS)));
    if (waiting === null) {
      id += 1;
      messages.push(noteOf(notes, id), noteOf(frozen, id));
      waiting = { id, sentMs: performance.now() };
    }
    await send(messages);
    await delay(TICK_MS); // the pace of the load, not a wait for anything
    const nowMs = performance.now();
    if ((await own.reader.source(indexOf(notes), String(waiting.id))) !== null) waiting = null;
    else lateMs = Math.max(lateMs, nowMs - waiting.sentMs);
    const { version: found = 0 } = JSON.parse((await own.reader.source(own.index, '1')) ?? '{}');
    if (found > hot.version) {
      hot = { version: found, atMs: nowMs };
      hotWrites += 1;
    } else hotGapMs = Math.max(hotGapMs, nowMs - hot.atMs);
    assert.equal((await sluice.get('/livez')).status, 200);
  }
  return { lateMs, hotGapMs, hotWrites, lastId: id };
}

function noteOf(table: TestTable, id: number): string {
  const texts: Record<string, string> = { [RESETS]: 'breaks the gateway', [HANGS]: 'outlasts the gateway' };
  const sent = String(id) === REFUSED && table === notes ? 'some day' : '2026-01-05';
  const note = (table === notes ? texts[id] : undefined) ?? 'plain';
  return canalMessage(table, 'UPDATE', [{ id: String(id), sent, note }]);
}

async function send(values: readonly string[]): Promise<void> {
  await own.producer.send({ topic: own.topic, messages: values.map((value) => ({ value })) });
}

async function put(path: string, body: object): Promise<void> {
  const { status, text } = await own.reader.request('PUT', path, body);
  assert.ok(status < 300, text);
}

async function ids(table: TestTable): Promise<string[]> {
  return [...(await own.reader.versions(indexOf(table))).keys()];
}

/** Keys of a table that are parked, in their order. */
async function parked(table: TestTable): Promise<string[]> {
  const rows = await own.rows(
    `SELECT primary_key FROM parked_keys WHERE table_name = '${table.database}.${table.table}' ORDER BY LENGTH(primary_key), primary_key`,
  );
  return rows.map(([key = '']) => key);
}
