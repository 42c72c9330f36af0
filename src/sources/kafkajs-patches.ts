import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';
import { compressFrame, decompressFrame } from 'lz4-napi';
import { type Connection, forgetAnswer, gatherAnswers } from './kafka-answers.ts';
import { type DecodeRecords, leanDecoder } from './kafka-records.ts';

/** Name of the error that ends a consumer whose position lies outside the log; its message is `topic/partition`. */
export const OUT_OF_RANGE = 'SluicePositionOutOfRange';

const PATCHED_VERSION = '2.2.4';
const require = createRequire(import.meta.url);

interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

interface Cluster {
  findGroupCoordinatorMetadata(group: object): Promise<unknown>;
}

interface OffsetManager {
  setDefaultOffset(place: { topic: string; partition: number }): Promise<void>;
}

let notApplied: readonly string[] | null = null;
let fetchesNotApplied: readonly string[] | null = null;

/**
 * Teaches kafkajs 2.2.4 the codecs it lacks and mends five methods. Returns what could not be mended, one sentence each:
 * with another version nothing but the codecs is touched. Calling it again changes nothing.
 */
export function patchKafkajs(): readonly string[] {
  if (notApplied !== null) return notApplied;
  registerCodecs();
  const { version } = require('kafkajs/package.json') as { version: string };
  notApplied = [
    mend(version, 'kafkajs/src/network/requestQueue', 'scheduleCheckPendingRequests', restWhenIdle),
    mend(version, 'kafkajs/src/consumer/offsetManager', 'setDefaultOffset', keepPosition),
    mend(version, 'kafkajs/src/cluster/index', 'findGroupCoordinatorMetadata', findLater),
    mend(version, 'kafkajs/src/network/connection', 'connect', forgetHalfAnswers),
    mend(version, 'kafkajs/src/network/connection', 'processData', breakOffNonsense),
  ].filter((reason) => reason !== null);
  return notApplied;
}

/**
 * Makes every consumer of kafkajs 2.2.4 in this process read fetches our way: answers are gathered, and messages are
 * `FetchedRecord`s. Returns what is not so, one sentence each. It has to come before the first fetch of the process; calling
 * it again changes nothing.
 */
export function patchFetches(): readonly string[] {
  if (fetchesNotApplied !== null) return fetchesNotApplied;
  const { version } = require('kafkajs/package.json') as { version: string };
  fetchesNotApplied = [
    mend(version, 'kafkajs/src/network/connection', 'processData', gatherAnswers),
    replaceDecoder(version),
  ].filter((reason) => reason !== null);
  return fetchesNotApplied;
}

function replaceDecoder(version: string): string | null {
  const path = 'kafkajs/src/protocol/requests/fetch/v4/decodeMessages';
  if (version !== PATCHED_VERSION) return `fetches are decoded by kafkajs: it is ${version}, not ${PATCHED_VERSION}`;
  try {
    const file = require.resolve(path);
    if (file in require.cache) return 'fetches are decoded by kafkajs: it has begun to';
    const original = require(path) as DecodeRecords;
    const loaded = require.cache[file];
    if (typeof original !== 'function' || loaded === undefined)
      return `fetches are decoded by kafkajs: ${path} is another`;
    loaded.exports = leanDecoder(original);
    return null;
  } catch {
    return `fetches are decoded by kafkajs: ${path} cannot be loaded`;
  }
}

/** Applies one change to one method of a class; returns why not, or null when it is applied. */
function mend<T>(
  version: string,
  path: string,
  method: string & keyof T,
  change: (prototype: T) => void,
): string | null {
  if (version !== PATCHED_VERSION) return `${method} is left alone: kafkajs is ${version}, not ${PATCHED_VERSION}`;
  try {
    const { prototype } = require(path) as { prototype: T };
    if (typeof prototype[method] !== 'function') return `${method} is left alone: it is not where it was`;
    change(prototype);
    return null;
  } catch {
    return `${method} is left alone: ${path} cannot be loaded`;
  }
}

/**
 * kafkajs arms a timer with a negative delay after every answer, so each idle connection wakes about 900 times a second.
 * A timer is only needed while something waits, or while the broker throttles us.
 */
export function restWhenIdle(prototype: RequestQueue): void {
  const original = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function scheduleWhenNeeded(this: RequestQueue): void {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) original.call(this);
  };
}

/**
 * When a fetch position lies outside the log, kafkajs commits "earliest" for the group and goes on there: the position is
 * lost and what lies between is skipped in silence. An error that cannot be retried ends the consumer instead.
 */
export function keepPosition(prototype: OffsetManager): void {
  prototype.setDefaultOffset = async ({ topic, partition }) => {
    throw new PositionOutOfRange(`${topic}/${partition}`);
  };
}

/**
 * A broker that does not answer the question for the coordinator ends the consumer for good, although the same outage seen
 * by any other request makes it start again. It is asked again instead, for as long as that takes.
 */
export function findLater(prototype: Cluster): void {
  const original = prototype.findGroupCoordinatorMetadata;
  prototype.findGroupCoordinatorMetadata = async function findOrAskAgain(this: Cluster, group: object) {
    try {
      return await original.call(this, group);
    } catch (error) {
      if (error instanceof kafkajs.KafkaJSGroupCoordinatorNotFound) Object.assign(error, { retriable: true });
      throw error;
    }
  };
}

/**
 * What had come of an answer when its connection broke stays in front of the first answer of the next one: from then on
 * nothing fits, until a length is read where there is none and the process ends.
 */
export function forgetHalfAnswers(prototype: Connection): void {
  const original = prototype.connect;
  prototype.connect = function connectAfresh(this: Connection): Promise<boolean> {
    if (!this.isConnected()) forgetAnswer(this);
    return original.call(this);
  };
}

/** An answer that cannot be read breaks its connection, as a reset would, and not the process. */
export function breakOffNonsense(prototype: Connection): void {
  const original = prototype.processData;
  prototype.processData = function processOrBreakOff(this: Connection, data: Buffer): void {
    try {
      original.call(this, data);
    } catch (error) {
      forgetAnswer(this);
      this.socket?.destroy(error instanceof Error ? error : new Error('unreadable answer'));
    }
  };
}

class PositionOutOfRange extends kafkajs.KafkaJSNonRetriableError {
  override readonly name = OUT_OF_RANGE;
}

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  const zstd = { compress: promisify(zstdCompress), decompress: promisify(zstdDecompress) };
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy') as () => Codec;
  CompressionCodecs[CompressionTypes.LZ4] = (): Codec => ({
    compress: ({ buffer }) => compressFrame(buffer),
    decompress: (buffer) => decompressFrame(buffer),
  });
  CompressionCodecs[CompressionTypes.ZSTD] = (): Codec => ({
    compress: ({ buffer }) => zstd.compress(buffer),
    decompress: (buffer) => zstd.decompress(buffer),
  });
}
