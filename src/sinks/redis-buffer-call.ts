import { hash } from 'node:crypto';
import { Command } from 'ioredis';
import { ByteWriter } from './byte-writer.ts';

/** A Lua script and what Redis calls it by once it has seen it. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

export function scriptOf(lua: string): Script {
  return { lua, sha: hash('sha1', lua, 'hex') };
}

/** What a script is called with: KEYS, and ARGV of which each is written when its turn comes. */
export interface ScriptArguments {
  readonly keys: readonly string[];
  /** Number of values. */
  readonly count: number;
  /** Bytes of all values, about. */
  readonly bytes: number;
  /** Writes a value, counted from 0. */
  write(into: ByteWriter, index: number): void;
}

/** What each argument has around it, at most. */
const AROUND_BYTES = 16;

/**
 * A script call whose bytes are made by us: ioredis joins all arguments to one text, which is two bytes a character as soon
 * as one of them holds a letter outside Latin-1, and is measured, flattened and encoded whole.
 */
class ScriptCall extends Command {
  private readonly request: Buffer;

  /** The arguments that ioredis hears of are those by which a cluster finds the node: all keys of a call are in one slot. */
  constructor(name: 'eval' | 'evalsha', code: string, args: ScriptArguments) {
    super(name, [code, '1', args.keys[0] ?? '']);
    this.request = requestOf(name, code, args);
  }

  override toWritable(): Buffer {
    return this.request;
  }
}

/** Calls a script by its hash, or whole where Redis does not know it. */
export async function callScript(
  redis: { sendCommand(command: Command): unknown },
  { lua, sha }: Script,
  args: ScriptArguments,
): Promise<void> {
  try {
    await redis.sendCommand(new ScriptCall('evalsha', sha, args));
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    await redis.sendCommand(new ScriptCall('eval', lua, args));
  }
}

/** The call as the Redis protocol has it: an array of bulk strings, each behind its number of bytes. */
export function requestOf(name: string, code: string, { bytes, count, keys, write }: ScriptArguments): Buffer {
  let keyChars = 0;
  for (const { length } of keys) keyChars += length;
  const size = code.length + AROUND_BYTES * (3 + keys.length + count) + keyChars + bytes;
  const request = new ByteWriter(size + (size >> 4)); // enough where nearly all characters are ASCII
  request.binary(`*${3 + keys.length + count}\r\n`);
  for (const text of [name, code, String(keys.length)]) add(request, text);
  for (const key of keys) add(request, key);
  // What comes before a value is known behind it: most likely it has as many digits as the one before.
  let length = '100';
  for (let index = 0; index < count; index += 1) {
    request.binary(`$${length}\r\n`);
    const start = request.size;
    write(request, index);
    const lengthAt = start - 2 - length.length;
    length = String(request.size - start);
    request.replace(lengthAt, start - 2, length);
    request.binary('\r\n');
  }
  return request.bytes();
}

function add(request: ByteWriter, text: string): void {
  request.text(`$${Buffer.byteLength(text)}\r\n${text}\r\n`);
}
