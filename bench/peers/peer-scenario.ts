import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { defaultFormat } from '../default-format.ts';
import type { Load, LoadSummary } from '../load.ts';
import type { Meter } from '../meter.ts';
import { DATABASE, TABLE } from '../order-row.ts';
import type { RunNotes, Scenario } from '../scenario.ts';
import { TopicUnderTest } from '../topic-under-test.ts';
import { finallySeen, PeerIndex } from './peer-index.ts';
import { type PeerCommand, PeerProcess } from './peer-process.ts';

/** What a peer is told of a run. */
export interface PeerRun {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  /** Of Elasticsearch. */
  readonly url: string;
  readonly index: string;
  /** Its own, removed after the run. */
  readonly directory: string;
}

export interface Peer {
  readonly name: string;
  /** What its installation made. */
  readonly files: readonly string[];
  command(run: PeerRun): PeerCommand;
  /** The line that it prints once its partitions are assigned. */
  readonly assigned: RegExp;
}

const POLL_MS = 100;
const ASSIGNED_MS = 120_000;
/** A peer whose index has not changed for so long is done, or will never be. */
const REST_MS = 60_000;

/**
 * Another system that does the work, on the topic that ours reads too: measured from the assignment of its partitions until
 * a search sees every document and the right sum of versions. Its start before that is not counted.
 *
 * Ours is measured until all is settled, which no peer tells: a peer's time has up to one refresh, a second, more in it.
 */
export function peerScenario(peer: Peer, brokers: readonly string[], url: string): Scenario {
  for (const file of peer.files) {
    if (!existsSync(file)) throw new Error(`${peer.name} is not installed; run node bench/peers/install.mjs`);
  }
  const topics = new Map<LoadSummary, TopicUnderTest>();
  return {
    async open(load: Load): Promise<void> {
      const { tables = 1, width = 1 } = load.summary.shape;
      if (tables > 1 || width > 1) throw new Error(`${peer.name} takes loads of one table and nine columns only`);
      topics.set(load.summary, await TopicUnderTest.fill(brokers, load));
    },
    async run(load: LoadSummary, meter: Meter): Promise<RunNotes> {
      const topic = topics.get(load) as TopicUnderTest;
      const table = defaultFormat(load.shape.partitions).lookup(DATABASE, TABLE);
      if (table === null) throw new Error('the table of the load is not routed');
      const index = new PeerIndex(url, table);
      await index.empty();
      const directory = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
      try {
        const run = { brokers, topic: topic.name, group: topic.freshGroup(), url, index: index.name, directory };
        await measure(await PeerProcess.start(peer.command(run), directory), { peer, index, load, meter });
      } finally {
        await rm(directory, { recursive: true, force: true, maxRetries: 3 });
      }
      const indexWrites = await index.writes();
      await index.check(load);
      return { indexWrites, notes: {} };
    },
    async close() {},
  };
}

interface Measured {
  readonly peer: Peer;
  readonly index: PeerIndex;
  readonly load: LoadSummary;
  readonly meter: Meter;
}

async function measure(running: PeerProcess, { peer, index, load, meter }: Measured): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const assigned = running.says(peer.assigned).then(() => meter.start(running.pid));
    const late = delay(ASSIGNED_MS, undefined, { signal }).then(() => {
      throw new Error(`${peer.name} had no partitions after ${ASSIGNED_MS / 1000} s`);
    });
    late.catch(() => undefined); // also when it is no longer waited for
    await Promise.race([assigned, late, running.ended]);
    await Promise.race([allSeen(index, load, signal), running.ended]);
    meter.stop();
  } finally {
    over.abort();
    await running.stop();
  }
}

/** Resolves as soon as a search sees what the load leaves; rejects when the index came to rest with anything else. */
async function allSeen(index: PeerIndex, load: LoadSummary, signal: AbortSignal): Promise<void> {
  const wanted = finallySeen(load);
  let last = '';
  let changedAt = performance.now();
  while (!signal.aborted) {
    const { documents, versionSum } = await index.seen();
    if (documents === wanted.documents && versionSum === wanted.versionSum) return;
    const text = `${documents} documents with versions of ${versionSum} in total`;
    if (text !== last) changedAt = performance.now();
    else if (performance.now() - changedAt > REST_MS) {
      throw new Error(`the index came to rest at ${text}, not ${wanted.documents} with ${wanted.versionSum}`);
    }
    last = text;
    await delay(POLL_MS);
  }
}
