import type { Answer } from '../../src/sinks/elasticsearch-requests.ts';

interface Held {
  version: number;
  /** Null: a delete, remembered for a while. */
  source: string | null;
  deletedMs: number;
}

/** What one index answers now. */
export interface IndexMood {
  /** No primary shard: nothing is taken. */
  isRed: boolean;
  /** Writes are blocked, as at the flood-stage watermark. */
  isBlocked: boolean;
}

/** What the cluster answers now; shares of calls from 0 to 1. */
export interface ClusterMood {
  /** Single writes refused as overload. */
  overload: number;
  /** Single writes that fail for an unknown reason. */
  failing: number;
  /** Requests that a proxy answers with 503 without passing them on. */
  proxy: number;
  /** Requests that are applied and whose answer cannot be read. */
  garbled: number;
  isUnauthorized: boolean;
  /** Longest request, characters; a longer one is answered with 413. */
  maxBody: number;
}

export const GOOD_MOOD: ClusterMood = {
  overload: 0,
  failing: 0,
  proxy: 0,
  garbled: 0,
  isUnauthorized: false,
  maxBody: Number.POSITIVE_INFINITY,
};

export interface ElasticsearchOptions {
  readonly now: () => number;
  readonly random: () => number;
  /** How long the version of a delete is remembered, milliseconds. */
  readonly gcDeletesMs: number;
  /** Hears of every write: what the document's version was (null: none was known) and what it was asked to be. */
  readonly onWrite?: (write: {
    index: string;
    id: string;
    before: number | null;
    version: number;
    outcome: string;
  }) => void;
}

/**
 * Elasticsearch as sluice knows it: `_bulk` with external versions, item by item and in order, deletes remembered only in
 * memory and for a time, `_mget`. Documents that say `"s":"poison"` fail the mapping, and `"s":"whole"` makes it refuse
 * the whole request, until somebody mends that (`isStrict`).
 */
export class ElasticsearchModel {
  readonly indices = new Map<string, Map<string, Held>>();
  readonly moods = new Map<string, IndexMood>();
  mood: ClusterMood = GOOD_MOOD;
  isStrict = true;
  starts = 1;
  /** Deletes whose versions a restart or time has made it forget. */
  forgotten = 0;
  private readonly options: ElasticsearchOptions;

  constructor(options: ElasticsearchOptions) {
    this.options = options;
  }

  /** Versions of deletes live in memory only. */
  restart(): void {
    this.starts += 1;
    for (const held of this.indices.values()) {
      for (const [id, { source }] of held) {
        if (source !== null) continue;
        held.delete(id);
        this.forgotten += 1;
      }
    }
  }

  incarnation(): string {
    return `start ${this.starts}`;
  }

  bulk(index: string, body: string): Answer {
    const { mood } = this;
    const { random } = this.options;
    if (mood.isUnauthorized) return response(401, { error: { type: 'security_exception' } });
    if (random() < mood.proxy) return response(503, '<html>Service Unavailable</html>');
    if (body.length > mood.maxBody) return response(413, '<html>Too Large</html>');
    const lines = body.split('\n');
    const writes: { action: 'index' | 'delete'; id: string; version: number | undefined; source: string | null }[] = [];
    for (let at = 0; at < lines.length - 1; at += 1) {
      const [action, place] = Object.entries(JSON.parse(lines[at] as string))[0] as [
        'index' | 'delete',
        { _id: string; version?: number; version_type?: string },
      ];
      const version = place.version_type === 'external_gte' ? place.version : undefined;
      const source = action === 'index' ? (lines[++at] as string) : null;
      writes.push({ action, id: place._id, version, source });
    }
    if (this.isStrict && writes.some(({ source }) => source?.includes('"s":"whole"'))) {
      return response(400, { error: { type: 'action_request_validation_exception' } });
    }
    const items = writes.map((write) => ({ [write.action]: this.take(index, write) }));
    if (random() < mood.garbled) {
      return random() < 0.5 ? response(200, '<html>') : response(200, { errors: false, items: items.slice(1) });
    }
    return response(200, { errors: true, items });
  }

  versions(index: string, ids: readonly string[]): (number | null)[] {
    if (this.moods.get(index)?.isRed === true) throw new Error('no shard available');
    return ids.map((id) => {
      const held = this.indices.get(index)?.get(id);
      return held === undefined || held.source === null ? null : held.version;
    });
  }

  /** What a reader finds. */
  documents(index: string): Map<string, { version: number; source: string }> {
    const found = new Map<string, { version: number; source: string }>();
    for (const [id, { version, source }] of this.indices.get(index) ?? [])
      if (source !== null) found.set(id, { version, source });
    return found;
  }

  private take(
    index: string,
    { action, id, version, source }: { action: string; id: string; version: number | undefined; source: string | null },
  ): object {
    const { mood, options } = this;
    const held = this.indices.get(index) ?? new Map<string, Held>();
    this.indices.set(index, held);
    const indexMood = this.moods.get(index);
    const refused = (status: number, type: string): object => ({ status, error: { type, reason: `[${id}]` } });
    if (indexMood?.isRed === true) return refused(503, 'unavailable_shards_exception');
    if (indexMood?.isBlocked === true) return refused(403, 'cluster_block_exception');
    if (options.random() < mood.overload) return refused(429, 'es_rejected_execution_exception');
    if (options.random() < mood.failing) return refused(500, 'exception');
    if (source !== null && this.isStrict && source.includes('"s":"poison"'))
      return refused(400, 'document_parsing_exception');
    if (source !== null && !isJson(source)) return refused(400, 'document_parsing_exception');
    const before = this.known(held, id);
    const told = (outcome: string): void =>
      options.onWrite?.({ index, id, before, version: version ?? (before ?? 0) + 1, outcome });
    if (version !== undefined && before !== null && before > version) {
      told('conflict');
      return refused(409, 'version_conflict_engine_exception');
    }
    const wasThere = held.get(id)?.source ?? null;
    told(action);
    held.set(id, { version: version ?? (before ?? 0) + 1, source, deletedMs: options.now() });
    return { status: source === null && wasThere === null ? 404 : wasThere === null ? 201 : 200 };
  }

  private known(held: Map<string, Held>, id: string): number | null {
    const found = held.get(id);
    if (found === undefined) return null;
    if (found.source === null && this.options.now() - found.deletedMs > this.options.gcDeletesMs) {
      held.delete(id);
      this.forgotten += 1;
      return null;
    }
    return found.version;
  }
}

function response(status: number, body: unknown): Answer {
  return { kind: 'response', status, body, retryAfterMs: null };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
