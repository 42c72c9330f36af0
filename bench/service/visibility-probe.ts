import { type Clock, wallClock } from './clock.ts';

/** Asks for the versions of documents as they are now; documents that are not there are not in the answer. */
export type Look = (ids: readonly string[]) => Promise<ReadonlyMap<string, number>>;

/** A change that became visible. */
export interface Sighting {
  readonly id: string;
  /** When the change was made, on the probe's clock. */
  readonly sinceMs: number;
  /** From then until the answer that showed it had come: at most an interval and an answer too much. */
  readonly delayMs: number;
}

/** Time between two questions. Each may make Elasticsearch refresh, so the more are asked the more of the machine is theirs. */
export const INTERVAL_MS = 50;

/** Watches changes until each is visible, by asking for all that are not again and again. */
export class VisibilityProbe {
  readonly sightings: Sighting[] = [];
  private readonly look: Look;
  private readonly clock: Clock;
  private readonly unseen = new Map<string, { version: number; sinceMs: number }>();
  private readonly running: Promise<void>;
  private deadlineMs = Number.POSITIVE_INFINITY;
  private isFinishing = false;

  /** Asks from now on. */
  constructor(look: Look, clock = wallClock) {
    this.look = look;
    this.clock = clock;
    this.running = this.run();
    this.running.catch(() => undefined); // `finish` tells
  }

  /** Waits for this version of a document, or a newer one. One change of a document at a time. */
  watch(id: string, version: number, sinceMs: number): void {
    this.unseen.set(id, { version, sinceMs });
  }

  /** Resolves when everything watched has been seen. Rejects when something is not within this time. */
  async finish(withinMs: number): Promise<void> {
    this.isFinishing = true;
    this.deadlineMs = this.clock.now() + withinMs;
    await this.running;
    if (this.unseen.size === 0) return;
    throw new Error(`${this.unseen.size} changes were not visible after ${withinMs} ms more`);
  }

  private async run(): Promise<void> {
    while (!this.isFinishing || (this.unseen.size > 0 && this.clock.now() < this.deadlineMs)) {
      const askedMs = this.clock.now();
      if (this.unseen.size > 0) await this.ask();
      await this.clock.pause(Math.max(1, askedMs + INTERVAL_MS - this.clock.now()));
    }
  }

  private async ask(): Promise<void> {
    const found = await this.look([...this.unseen.keys()]);
    const nowMs = this.clock.now();
    for (const [id, version] of found) {
      const watched = this.unseen.get(id);
      if (watched === undefined || version < watched.version) continue;
      this.sightings.push({ id, sinceMs: watched.sinceMs, delayMs: nowMs - watched.sinceMs });
      this.unseen.delete(id);
    }
  }
}

/** Looks at an index by realtime `_mget`, which sees a document as soon as it is written, before any refresh. */
export function realtimeVersions(indexUrl: string): Look {
  const url = `${indexUrl}/_mget?realtime=true&_source=false&filter_path=docs._id,docs._version`;
  return async (ids) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ids }),
    });
    if (!response.ok) throw new Error(`_mget was answered with ${response.status}`);
    const { docs = [] } = (await response.json()) as { docs?: readonly { _id: string; _version?: number }[] };
    return new Map(docs.flatMap(({ _id, _version }) => (_version === undefined ? [] : [[_id, _version]])));
  };
}
