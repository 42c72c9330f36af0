import type { Change, Table } from '../pipeline/change.ts';
import type { BufferRecord, ChangeBuffer } from '../pipeline/ports.ts';
import { bucketOf, bufferKey } from './buffer-key.ts';
import type { ByteWriter } from './byte-writer.ts';
import { callScript, type Script, type ScriptArguments } from './redis-buffer-call.ts';
import { RedisConnection, type RedisTls } from './redis-buffer-connection.ts';
import { REMOVE_IF_NOT_NEWER, SET_IF_NEWER } from './redis-buffer-scripts.ts';
import { redisValueBytes, VERSION_CHARS, versionText, writeRedisValue } from './redis-buffer-value.ts';

export interface RedisBufferOptions {
  /** One Redis: `redis://[user:password@]host:6379/0`, `rediss://` for TLS. Exactly one of `url` and `nodes`. */
  readonly url?: string;
  /** A Redis Cluster: some of its nodes as `host:port`; the others are found. */
  readonly nodes?: readonly string[];
  readonly tls?: RedisTls;
  readonly username?: string;
  readonly password?: string;
  /** How long a row is kept after its last change, seconds. 300 by default. */
  readonly expirySeconds?: number;
  /** Bound on every call, milliseconds. 1000 by default. */
  readonly timeoutMs?: number;
  /** A row longer than this many bytes is stored without its `data`. 1 MiB by default. */
  readonly maxDataBytes?: number;
}

export interface RedisBuffer extends ChangeBuffer {
  /** What is unfit about the server, found by the last `ping`: one sentence each. */
  readonly warnings: readonly string[];
}

/** One script call blocks Redis for all: about 3 ms for so many rows, and never more than about so many bytes. */
const MAX_CALL_KEYS = 500;
const MAX_CALL_BYTES = 4 * 1024 * 1024;
const SAMPLE_KEYS = 500;

interface Row {
  readonly table: Table;
  readonly key: string;
}

/** How the values of a script are written: one of each row, and some behind them. */
interface Values<T> {
  /** Bytes of a row's value, about. */
  bytesOf(row: T): number;
  write(into: ByteWriter, row: T): void;
  readonly last?: readonly string[];
}

interface Slice<T> {
  readonly keys: string[];
  readonly rows: T[];
  bytes: number;
}

/**
 * Keeps the newest change of each row in Redis or Redis Cluster, as JSON under `buffer:…` (see `bufferKey`), for
 * `expirySeconds`. Connects at the first call; every call rejects with SluiceError E5001 at the latest after `timeoutMs`.
 * Comparing and writing are one script per 500 rows on the server, so instances may write the same rows.
 *
 * Delivery: none depends on it. Rows vanish by expiry, restart, eviction or failover, and nothing is lost with them.
 *
 * @throws RangeError when neither or both of `url` and `nodes` are given, or a number is out of range.
 */
export function redisBuffer(options: RedisBufferOptions): RedisBuffer {
  const { expirySeconds = 300, timeoutMs = 1000, maxDataBytes = 1024 * 1024 } = options;
  if ((options.url === undefined) === (options.nodes === undefined))
    throw new RangeError('redisBuffer takes either url or nodes');
  if (!(expirySeconds > 0)) throw new RangeError(`expirySeconds must be above 0, got ${expirySeconds}`);
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs must be above 0, got ${timeoutMs}`);
  const connection = new RedisConnection({ ...options, timeoutMs });
  const expiryMs = String(Math.max(1, Math.round(expirySeconds * 1000)));
  const warnings: string[] = [];
  const keyOf = (table: Table, key: string): string =>
    bufferKey(table, key, connection.isCluster ? bucketOf(key) : null);
  const call = async <T extends Row>(
    script: Script,
    rows: readonly T[],
    { bytesOf, last = [], write }: Values<T>,
  ): Promise<void> => {
    const slices = slicesOf(rows, { isCluster: connection.isCluster, keyOf, bytesOf });
    const argumentsOf = ({ bytes, keys, rows }: Slice<T>): ScriptArguments => ({
      keys,
      count: rows.length + last.length,
      bytes,
      write: (into, index) => {
        const row = rows[index];
        if (row === undefined) into.binary(last[index - rows.length] as string);
        else write(into, row);
      },
    });
    await connection.run((redis) => Promise.all(slices.map((slice) => callScript(redis, script, argumentsOf(slice)))));
  };

  return {
    name: connection.isCluster ? 'redis-cluster' : 'redis',
    warnings,
    async upsert(changes: readonly Change[]): Promise<void> {
      if (changes.length === 0) return;
      await call(SET_IF_NEWER, changes, {
        bytesOf: (change) => redisValueBytes(change, maxDataBytes),
        write: (into, change) => writeRedisValue(into, change, maxDataBytes),
        last: [expiryMs],
      });
    },
    async remove(rows): Promise<void> {
      if (rows.length === 0) return;
      await call(REMOVE_IF_NOT_NEWER, rows, {
        bytesOf: () => VERSION_CHARS,
        write: (into, { version }) => into.binary(versionText(version)),
      });
    },
    async read(table, key): Promise<BufferRecord | null> {
      const value = await connection.run((redis) => redis.get(keyOf(table, key)));
      return value === null ? null : recordOf(value);
    },
    /** DBSIZE, times the share of our keys in a sample of 500: an estimate when the database holds other keys too. Expired keys count until Redis drops them. */
    size: () =>
      connection.run(async () => {
        const sizes = await Promise.all(connection.masters().map(sizeOfNode));
        return sizes.reduce((sum, size) => sum + size, 0);
      }),
    ping: () =>
      connection.run(async () => {
        const policies = await Promise.all(connection.masters().map(evictionPolicyOf));
        const unfit = [...new Set(policies)].filter((policy) => policy !== null && policy !== 'noeviction');
        warnings.splice(0, warnings.length, ...unfit.map(warningOf));
      }),
    close: () => connection.close(),
  };
}

/** Null for a foreign value: an error of the parser would quote it. */
function recordOf(value: string): BufferRecord | null {
  try {
    return JSON.parse(value) as BufferRecord;
  } catch {
    return null;
  }
}

/** Rows cut into script calls: of one bucket each on a cluster, and bounded in keys and bytes. */
function slicesOf<T extends Row>(
  rows: readonly T[],
  how: { isCluster: boolean; keyOf: (table: Table, key: string) => string; bytesOf: (row: T) => number },
): Slice<T>[] {
  const slices: Slice<T>[] = [];
  const open = new Map<string, Slice<T>>();
  for (const row of rows) {
    const key = how.keyOf(row.table, row.key);
    const bytes = how.bytesOf(row);
    // The hash tag decides the slot; it ends at the first closing brace, which names cannot hold.
    const slot = how.isCluster ? key.slice(0, key.indexOf('}')) : '';
    let slice = open.get(slot);
    if (!slice || slice.keys.length === MAX_CALL_KEYS || slice.bytes + bytes > MAX_CALL_BYTES) {
      slice = { keys: [], rows: [], bytes: 0 };
      slices.push(slice);
      open.set(slot, slice);
    }
    slice.keys.push(key);
    slice.rows.push(row);
    slice.bytes += bytes;
  }
  return slices;
}

type Node = ReturnType<RedisConnection['masters']>[number];

async function sizeOfNode(node: Node): Promise<number> {
  const total = await node.dbsize();
  if (total === 0) return 0;
  const [, sample] = await node.scan(0, 'COUNT', SAMPLE_KEYS);
  const ours = sample.filter((key) => key.startsWith('buffer:')).length;
  return sample.length === 0 ? total : Math.round((total * ours) / sample.length);
}

/** Null when the server does not tell. Also the proof that it answers. */
async function evictionPolicyOf(node: Node): Promise<string | null> {
  await node.ping();
  // INFO, not CONFIG GET: managed servers refuse the latter.
  const memory = await node.info('memory').catch(() => '');
  return /^maxmemory_policy:([a-z-]+)/m.exec(memory)?.[1] ?? null;
}

function warningOf(policy: string | null): string {
  return `Redis may evict buffered rows unseen (maxmemory-policy is ${policy}). Set it to noeviction`;
}
